"""The run that `data add` prints last: as it is printed, it passes for the set."""

import json
import shlex
from pathlib import Path

import pytest

from schwarz.cli.first_run import TRAINED, first_run
from schwarz.cli.options import chosen, split
from schwarz.cli.run import check
from schwarz.config import Config, fields
from schwarz.data import DataInfo, describe


def added(root: Path, name: str, shape: tuple[int, ...], classes: int, train: int) -> DataInfo:
    """A set that was added, by its .dvc file alone."""
    meta = {"name": name, "classes": [str(k) for k in range(classes)], "shape": shape, "train": train, "test": 9}
    (root / "datasets").mkdir()
    content = {"outs": [{"md5": "0" * 32 + ".dir", "path": name}], "meta": meta}
    (root / f"datasets/{name}.dvc").write_text(json.dumps(content))
    return describe(root, name)


def accepted(info: DataInfo, root: Path) -> tuple[list[str], Config]:
    """The words that follow `schwarz run`, and the config, as the command line reads and checks them."""
    program, run, *words = shlex.split(first_run(info))
    assert (Path(program).name, run) == ("schwarz", "run")
    (preset,), flags = split(words, fields())
    config, *_ = check(chosen(preset, None, flags), root)
    return words, config


@pytest.mark.parametrize(
    ("shape", "classes", "train", "flags"),
    [
        ((1, 28, 28), 10, 2000, {}),
        ((3, 40, 25), 2, 300, {}),
        ((1, 14, 16), 2, 300, {"partition.grid": "1 2"}),
        ((1, 14, 14), 2, 300, {"data.pad": "1"}),
        ((1, 8, 8), 2, 300, {"data.pad": "4"}),
        ((1, 40, 12), 2, 300, {"partition.grid": "2 1"}),
        ((1, 16, 16, 8), 3, 300, {"partition.grid": "2 2 1"}),
        ((1, 28, 28, 28), 3, 300, {"partition.grid": "2 2 2"}),
        ((1, 16, 18, 4), 3, 300, {"data.pad": "2", "partition.grid": "2 2 1"}),
        ((1, 128, 128, 64), 2, 104, {"partition.grid": "2 2 2", "batch": "4"}),
        ((1, 16, 16), 3, 72, {"batch": "32"}),
        ((1, 16, 16), 3, 24, {"batch": "16", "data.validation": "0.2"}),
        ((1, 16, 16), 3, 6, {"batch": "3", "data.validation": "0.5", "coarse.folds": "3"}),
    ],
)
def test_it_is_the_quickstart_with_what_makes_it_fit(
    checkout: Path, shape: tuple[int, ...], classes: int, train: int, flags: dict[str, str]
) -> None:
    words, config = accepted(added(checkout, "mine", shape, classes, train), checkout)
    given = {"data.name": "mine", "data.pad": "0", "register.name": "mine"} | flags
    batch = given.pop("batch", None)
    given |= {f"{section}.batch": batch for section in TRAINED} if batch else {}
    expected = [word for name, value in given.items() for word in (f"--{name}", *value.split())]
    assert words[0] == "quickstart"
    assert sorted(words[1:]) == sorted(expected)
    assert (config.register_.name, config.data.name) == ("mine", "mine")


def test_it_is_a_preset_that_is_made_for_the_set(checkout: Path) -> None:
    words, _ = accepted(added(checkout, "adrenal3d", (1, 64, 64, 64), 2, 1188), checkout)
    assert words == ["adrenal3d-vgg9-2x2x1"]


def test_it_is_the_quickstart_where_such_a_preset_does_not_fit(checkout: Path) -> None:
    words, _ = accepted(added(checkout, "adrenal3d", (1, 32, 32), 2, 1188), checkout)
    assert words[:3] == ["quickstart", "--data.name", "adrenal3d"]


def test_it_is_left_out_where_none_fits_and_why_is_said(checkout: Path) -> None:
    text = first_run(added(checkout, "dots", (1, 5, 5), 2, 300))
    assert text.startswith("no run of the quickstart fits it: data.pad = 6: more zeros than image")
