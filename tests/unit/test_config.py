"""Configuration: defaults, overrides, files, and what each fault says."""

from pathlib import Path

import pytest

from schwarz.config import Config, fields, sections
from schwarz.document import document
from schwarz.errors import WrongInput
from schwarz.presets import preset
from schwarz.reading import COMMAND_LINE, build, load, override


def test_every_field_is_documented_and_section_global_is_called_so():
    assert {"global", "local", "place"} <= set(sections())
    assert all(info.description for info in fields().values())


def test_an_override_changes_one_field():
    changed = override(preset("quickstart"), {"local.epochs": "3", "partition.grid": ["4", "4"], "seed": "7"})
    assert (changed.local.epochs, changed.partition.grid, changed.seed) == (3, (4, 4), 7)
    epochs = preset("quickstart").local.epochs
    assert override(changed, {"local.epochs": epochs, "partition.grid": [2, 2], "seed": 0}) == preset("quickstart")


def test_where_it_runs_and_what_it_is_called_decide_no_weights():
    config = preset("quickstart")
    assert override(config, {"place.pods": 2, "register.name": "other"}).science() == config.science()
    assert override(config, {"local.lr": 0.1}).science() != config.science()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"local.epochs": "many"}, r"local.epochs = 'many': .*integer"),
        ({"local.epochs": 0}, r"local.epochs = 0: .*greater than or equal to 1"),
        ({"local.epoch": 3}, r"unknown field 'local.epoch'. Did you mean 'epochs'"),
        ({"network.family": "vgg8"}, r"network.family = 'vgg8'.*Did you mean 'vgg9'"),
        ({"strategies": ["globl"]}, r"strategies.* = 'globl'.*Did you mean 'global'"),
        ({"strategies": ["coarse", "coarse"]}, r"name one twice"),
        ({"strategies": ["coarse"], "export.strategy": "global"}, r"export.strategy 'global' is not among"),
        ({"data.validation": 1.5}, r"data.validation = 1.5"),
        ({"data.validation": "tset"}, r"data.validation = 'tset'.*Did you mean 'test'"),
        ({"data.validation": "test"}, r"would train the coarse net on test images: leave `coarse` out"),
        ({"register.name": "a/b"}, r"register.name = 'a/b': .*letters, digits"),
        ({"partition.size": [20]}, r"size \[20\] has 1 axes, grid \[2, 2\] 2"),
        ({"partition.size": [20, 20], "partition.overlap": 2}, r"overlap 2 and size \[20, 20\] exclude each other"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(change: dict, message: str):
    with pytest.raises(WrongInput, match=message):
        override(preset("quickstart"), change)


def test_a_fault_in_a_file_is_found_by_its_line(tmp_path: Path):
    file = tmp_path / "c.toml"
    file.write_text('preset = "x"\n\n[local]\nepochs = 3\nepoch = 4\n')
    with pytest.raises(WrongInput, match=rf"{file}:5: unknown field 'local.epoch'"):
        load(file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width = 8", "widht = 8", r":{line}: unknown field 'network.widht'"),
        ("width = 8", 'width = "8"', r":{line}: network.width = '8': .*valid integer"),
        ("[local]", "[locla]", r":{line}: unknown field 'locla'. Did you mean 'local'"),
        ("seed = 0", "seed = true", r":{line}: seed = True: .*valid integer"),
    ],
)
def test_a_fault_in_a_file_as_show_prints_it_is_found_by_its_line(tmp_path: Path, old: str, new: str, message: str):
    text = document(preset("tiny")).replace(old, new, 1)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if row.startswith(new))
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(WrongInput, match=message.format(line=line)):
        load(tmp_path / "c.toml")


@pytest.mark.parametrize(("content", "message"), [("a = = 1", "not TOML"), ("seed = 1", "field 'preset' is missing")])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str, message: str):
    file = tmp_path / "c.toml"
    file.write_text(content)
    with pytest.raises(WrongInput, match=message):
        load(file)


def test_a_missing_file_suggests_the_nearest(tmp_path: Path):
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(WrongInput, match=rf"no such file. Did you mean '{tmp_path}/mine.toml'"):
        load(tmp_path / "mime.toml")


def test_a_misspelt_preset_suggests_the_nearest():
    with pytest.raises(WrongInput, match="Did you mean 'quickstart'"):
        preset("quikstart")


def test_a_configuration_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        preset("quickstart").seed = 3  # type: ignore[misc]  # that it fails is the point


def test_build_names_the_place():
    with pytest.raises(WrongInput, match=r"^here: field 'preset' is missing"):
        build({}, "here")
    assert isinstance(build({"preset": "x"}, "here"), Config)


def test_the_allowed_words_are_said_once() -> None:
    with pytest.raises(WrongInput) as refused:
        build({"preset": "x", "network": {"family": "zzz"}}, COMMAND_LINE)
    assert str(refused.value).count("lenet5") == 1
    with pytest.raises(WrongInput, match="Or one of: test"):
        build({"preset": "x", "data": {"validation": "zzz"}}, COMMAND_LINE)


@pytest.mark.parametrize("drops", [[[3]], [["3"]]])
def test_a_pair_with_one_value_is_told_what_a_pair_is(drops: list[list[object]]) -> None:
    with pytest.raises(WrongInput, match=r"local.drops = \['?3'?\]: too few values. A list such as \[\[80, 0.1\]"):
        build({"preset": "x", "local": {"drops": drops}}, "here")
