"""`data add` and `data show` from the command line; what they do to images is tested with `schwarz.data`."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schwarz import data
from schwarz.cli.first_run import first_run
from tests.unit.test_data_nifti import nifti, scan


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
    run = told.out.splitlines()[-1]
    assert run.endswith(first_run(data.describe(digits, "digits")))
    assert "run quickstart --data.name digits --data.pad 0 --register.name digits " in run
    told = schwarz("data", "show", "digits", "--json", "-o", "sheet.png")
    shown = json.loads(told.out)
    assert (shown["train"], shown["test"], list(shown["counts"])) == (24, 6, ["0", "1", "2"])
    assert (digits / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert shown["md5"] in schwarz("data", "show", "digits").out


@pytest.fixture
def scans(digits: Path) -> Path:
    """The same checkout with CT volumes in class folders."""
    for k, name in enumerate(("CT-0", "CT-23")):
        (digits / "scans" / name).mkdir(parents=True)
        for i in range(5):
            (digits / "scans" / name / f"{i}.nii").write_bytes(nifti(scan(10 * k + i)))
    return digits


@pytest.mark.parametrize("order", [("scans", "--size", "4", "6", "2"), ("--size", "4", "6", "2", "scans")])
def test_volumes_are_added_at_a_size_and_a_window_and_shown(
    scans: Path, schwarz: Callable[..., Any], order: tuple[str, ...]
) -> None:
    told = schwarz("data", "add", *order, "--window", "-160", "240", "--name", "ct")
    assert told.status == 0, told.err
    assert "8 training and 2 test volumes, 1 x 4 x 6 x 2, 2 classes" in told.out
    assert "values -160 to 240 become 0 to 255" in told.out
    shown = schwarz("data", "show", "ct", "-o", "sheet.png").out
    assert "2 test volumes, 1 x 4 x 6 x 2 (channels, depth, height, width)" in shown
    assert (scans / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scans", "--size", "8", "8"), "--size 8 8: volumes have three axes. For example: --size 128 128 64."),
        (("scans", "--size", "8"), "--size 8: volumes have three axes."),
        (("scans", "--size", "8", "8", "8", "8"), "Got unexpected extra argument (8)"),
        (("scans", "--size", "8", "0", "8"), "0 is too few: at least 1."),
        (("scans", "--size"), "Option '--size' requires an argument"),
        (("scans", "--window", "1"), "Option '--window' requires 2 arguments"),
        (("scans", "--window", "400", "-1000"), "--window 400 -1000: LOW must be below HIGH."),
        (("digits.npz", "--window", "0", "1"), "--window 0 1: is for NIfTI volumes, not for an .npz file."),
        (("digits.npz", "--size", "8", "8"), "--size 8 8: the images of an .npz file are taken as they are."),
        (("digits.npz", "--size", "8", "x"), "Got unexpected extra argument (x)"),
    ],
)
def test_a_size_or_window_that_does_not_fit(
    scans: Path, schwarz: Callable[..., Any], arguments: tuple[str, ...], message: str
) -> None:
    told = schwarz("data", "add", "--name", "ct", *arguments)
    assert told.status == 2
    assert message in told.last
    assert not list(scans.glob("datasets/*"))


LIMITED = (
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000,) * 2); from schwarz.cli import main; main()"
)


@pytest.mark.parametrize("archived", [False, True])
def test_a_disk_that_fills_up_is_named_and_nothing_is_left_on_it(digits: Path, archived: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (1000, 32, 32), np.uint8)
    np.savez(digits / "big.npz", x=pixels, y=np.arange(1000) % 3)
    if archived:
        subprocess.run(["tar", "cf", "big.tar", "big.npz"], cwd=digits, check=True)
    before = sorted(path for path in digits.rglob("*") if path.is_file())
    command = [sys.executable, "-c", LIMITED, "data", "add", "big.tar" if archived else "big.npz", "--name", "big"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=digits)
    assert told.returncode == 1
    last = told.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {digits / 'datasets'}: File too large: 'big' was not added. Make room")
    assert last.endswith("then give the command again.")
    assert sorted(path for path in digits.rglob("*") if path.is_file()) == before
    again = [
        sys.executable,
        "-c",
        "from schwarz.cli import main; main()",
        *command[3:-3],
        "digits.npz",
        "--name",
        "big",
    ]
    assert subprocess.run(again, capture_output=True, check=False, cwd=digits).returncode == 0


def test_a_disk_that_fills_up_under_dvc_keeps_nothing_half_written(digits: Path) -> None:
    """On a disk of its own, which only a namespace of its own lets anyone mount."""
    pixels = np.random.default_rng(0).integers(0, 255, (1000, 32, 32), np.uint8)
    np.savez(digits / "big.npz", x=pixels, y=np.arange(1000) % 3)
    mount = "mkdir .dvc/cache && mount -t tmpfs -o size=500k tmpfs .dvc/cache || exit 77"
    add = f"{shlex.quote(sys.executable)} -c 'from schwarz.cli import main; main()' data add big.npz --name big"
    script = f"{mount}; {add}; status=$?; find .dvc/cache -name '.*.tmp'; exit $status"
    told = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, cwd=digits
    )
    if told.returncode == 77 or told.stderr.startswith("unshare"):
        pytest.skip("no namespaces here")
    assert (told.returncode, told.stdout) == (1, "")
    assert f"Error: {digits / 'datasets'}: No space left on device: 'big' was not added." in told.stderr
    assert not list((digits / "datasets").iterdir())


def test_a_misspelt_path_is_answered_with_the_nearest(digits: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("data", "add", "digist.npz", "--name", "digits")
    assert told.status == 2
    assert "Did you mean 'digits.npz'?" in told.last
    assert not (digits / "datasets").exists()


def test_a_name_that_is_taken(digits: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("data", "add", "digits.npz", "--name", "sample")
    assert told.status == 2
    assert "--name 'sample'" in told.last
