"""`data add` and `data show` from the command line; what they do to images is tested with `schwarz.data`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def digits(checkout: Path) -> Path:
    """A checkout of DVC and an .npz file of one's own."""
    (checkout / ".dvc").mkdir()
    (checkout / ".dvc" / "config").write_text("[core]\nno_scm = true\nanalytics = false\n")
    rng = np.random.default_rng(0)
    np.savez(checkout / "digits.npz", x=rng.integers(0, 255, (30, 1, 16, 16), np.uint8), y=np.arange(30) % 3)
    return checkout


def test_a_set_is_added_shown_and_usable(digits: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("data", "add", "digits.npz", "--name", "digits")
    assert told.status == 0, told.err
    assert str(digits / "datasets" / "digits") in told.out
    assert "24 training and 6 test images, 1 x 16 x 16, 3 classes" in told.out
    assert "run quickstart --data.name digits" in told.out
    told = schwarz("data", "show", "digits", "--json", "-o", "sheet.png")
    shown = json.loads(told.out)
    assert (shown["train"], shown["test"], list(shown["counts"])) == (24, 6, ["0", "1", "2"])
    assert (digits / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert shown["md5"] in schwarz("data", "show", "digits").out


def test_a_misspelt_path_is_answered_with_the_nearest(digits: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("data", "add", "digist.npz", "--name", "digits")
    assert told.status == 2
    assert "Did you mean 'digits.npz'?" in told.last
    assert not (digits / "datasets").exists()


def test_a_name_that_is_taken(digits: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("data", "add", "digits.npz", "--name", "sample")
    assert told.status == 2
    assert "--name 'sample'" in told.last
