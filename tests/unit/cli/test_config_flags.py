"""Flags made from the typed config: every field can be set, and a printed config loads back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.cli.options import chosen, example, split
from schwarz.config import fields
from schwarz.errors import WrongInput
from schwarz.presets import PRESETS, preset
from schwarz.reading import load


@pytest.mark.parametrize("name", PRESETS)
def test_a_shown_preset_loads_back(schwarz: Callable[..., Any], tmp_path: Path, name: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(schwarz("show", name).out)
    assert load(file) == preset(name)
    assert chosen(name, file, {}) == preset(name)
    assert schwarz("show", "--config", file).out == file.read_text()


@pytest.mark.parametrize("name", fields())
def test_every_field_has_a_flag(schwarz: Callable[..., Any], name: str) -> None:
    flag = example(name)
    told = schwarz("show", "quickstart", *flag.split())
    assert told.status == 0, told.err


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        ("--local.epochs 3", "local.epochs", 3),
        ("--local.epochs=3", "local.epochs", 3),
        ("--local.epochs 3 --local.epochs 4", "local.epochs", 4),
        ("--partition.grid 4 1", "partition.grid", [4, 1]),
        ("--partition.grid 4,1", "partition.grid", [4, 1]),
        ("--partition.grid=4,1", "partition.grid", [4, 1]),
        ("--partition.size 20 20 --seed 3", "partition.size", [20, 20]),
        ("--strategies global coarse", "strategies", ["global", "coarse"]),
        ("--data.limit none", "data.limit", None),
        ("--data.validation test --strategies global", "data.validation", "test"),
        ("--data.validation 0.25", "data.validation", 0.25),
        ("--global.lr 1e-3", "global.lr", 1e-3),
        ("--register.name mine", "register.name", "mine"),
    ],
)
def test_a_flag_sets_its_field(schwarz: Callable[..., Any], flags: str, name: str, value: Any) -> None:
    told = schwarz("show", "tiny", *flags.split(), "--json")
    found = json.loads(told.out)
    for part in name.split("."):
        found = found[part]
    assert found == value


def test_flags_of_the_command_and_of_the_config_mix() -> None:
    known = fields()
    rest, flags = split(["tiny", "--seed", "1", "--out", "x", "--strategies", "global", "coarse", "--json"], known)
    assert rest == ["tiny", "--out", "x", "--json"]
    assert flags == {"seed": ["1"], "strategies": ["global", "coarse"]}
    assert split(["--", "--seed", "1"], known) == (["--", "--seed", "1"], {})


def test_a_file_without_a_preset_changes_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "part.toml"
    file.write_text("seed = 7\n[local]\nepochs = 9\n")
    config = chosen("tiny", file, {"coarse.epochs": ["5"]})
    assert (config.seed, config.local.epochs, config.coarse.epochs) == (7, 9, 5)
    assert config.local.batch == preset("tiny").local.batch
    with pytest.raises(WrongInput, match="'preset' is missing"):
        chosen(None, file, {})


def test_a_flag_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "part.toml"
    file.write_text("seed = 7\n")
    assert chosen("tiny", file, {"seed": ["8"]}).seed == 8


def test_the_presets_are_listed_with_what_they_are(schwarz: Callable[..., Any]) -> None:
    listed = json.loads(schwarz("presets", "--json").out)
    assert [entry["name"] for entry in listed] == list(PRESETS)
    assert all(entry["summary"] and entry["summary"] in schwarz("presets").out for entry in listed)
