"""A config as a TOML document: every field explained, and read back as it was."""

import tomllib
from pathlib import Path

import pytest

from schwarz.config import fields
from schwarz.document import document
from schwarz.presets import PRESETS, preset
from schwarz.reading import build, load


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(document(preset(name)))
    assert load(file) == preset(name)


@pytest.mark.parametrize("name", PRESETS)
def test_every_field_is_explained(name: str) -> None:
    lines = document(preset(name)).splitlines()
    assert max(map(len, lines)) <= 130
    text = " ".join(line.lstrip("# ") for line in lines)
    for field, info in fields().items():
        assert info.description, f"{field} has no description"
        assert " ".join(info.description.split()) in " ".join(text.split()), field


def test_an_unset_field_is_a_comment_that_is_valid_once_uncommented(tmp_path: Path) -> None:
    text = document(preset("quickstart"))
    unset = [line for line in text.splitlines() if line.startswith("# ") and " = " in line.split("#")[1]]
    names = ["md5", "limit", "boxes", "size", "crop", "dense", "padding", "head"]
    names += ["steps", "plateau", "stop_after", "pretrain", "name", "pods", "disk_gb"]
    assert list(dict.fromkeys(line.split()[1] for line in unset)) == names
    for line in unset:
        file = tmp_path / "mine.toml"
        chosen = text.replace(line, line[2:])
        file.write_text(chosen.replace("grid = [2, 2]", "") if "boxes" in line else chosen)
        assert load(file) != preset("quickstart")


def test_strings_are_quoted_as_toml_wants_them() -> None:
    odd = 'a "b" \\ \u00fc \U0001f600 \x7f \t'
    assert tomllib.loads(document(build({"preset": "x", "data": {"name": odd}}, "here")))["data"]["name"] == odd
