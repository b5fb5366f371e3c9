"""Whatever a person mistypes: exit status 2, the message last, with the place, the nearest valid word, an example."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.cli import presets as commands
from schwarz.cli.grammar import writing
from schwarz.errors import FAILED, SchwarzError, nearest_path

WRONG = [
    ("rnu tiny", "schwarz: no command 'rnu'", "'run'"),
    ("data shwo", "schwarz data: no command 'shwo'", "'show'"),
    ("track snc", "schwarz track: no command 'snc'", "'sync'"),
    ("--verion", "schwarz: no option '--verion'", "'--version'"),
    ("run tiny --jsn", "schwarz run: no option '--jsn'", "'--json'"),
    ("run tiny --fresh", "schwarz run: no option '--fresh'.", "There is `schwarz resume RUN --fresh`."),
    ("runs --jobs 2", "schwarz runs: no option '--jobs'.", "There is `schwarz study PRESET --jobs`."),
    ("run tiny --sede 3", "schwarz run: no option '--sede'", "'--seed'"),
    ("run tiny --local.epoch 3", "schwarz run: no option '--local.epoch'", "'--local.epochs'"),
    ("show tiny --partitoin.grid=2,2", "schwarz show: no option '--partitoin.grid'", "'--partition.grid'"),
    ("run tiny --foo.bar 3", "no option '--foo.bar'", "sections are data, partition"),
    ("run tiny --local.epochs", "--local.epochs: its value is missing", ""),
    ("run tiny --local.epochs --seed 1", "--local.epochs: its value is missing", ""),
    ("run tiny --local.epochs three", "--local.epochs = 'three'", "integer"),
    ("run tiny --local.epochs -1", "--local.epochs = '-1'", "greater than or equal to 1"),
    ("run tiny --local.lr inf", "--local.lr = 'inf'", "finite"),
    ("run tiny --strategies global coase", "--strategies = 'coase'", "'coarse'"),
    ("run tiny --local.schedule cosin", "--local.schedule = 'cosin'", "'cosine'"),
    ("run tiny --partition.size 9", "size [9] has 1 axes, grid [2, 2] 2", ""),
    ("run tiny --partition.grid 40 40", "40 boxes", "32"),
    ("run tiny --runner dokcer", "'--runner': 'dokcer'", "'docker'"),
    ("run tiny --runner xyz", "'--runner': 'xyz'", "subprocess, docker, python"),
    ("run tiny --runner pyton", "'--runner': 'pyton'", "'python'"),
    ("run tiny 3", "unexpected extra argument (3)", "--help"),
    ("run", "PRESET is missing", "schwarz presets"),
    ("run --strategies coarse tiny", "PRESET is missing: it comes first", "schwarz presets"),
    ("run tniy", "no preset 'tniy'", "'tiny'"),
    ("run mine.toml", "no preset 'mine.toml'", "--config mine.toml"),
    ("run tiny --data.name smaple", "no data set 'smaple'", "'sample'"),
    ("run --config mine.tmol", "mine.tmol: no such file", "'mine.toml'"),
    ("run --config fodler/mine.toml", "fodler/mine.toml: no such file", "'folder/mine.toml'"),
    ("run --config folder", "folder: is a folder", ""),
    ("run --config wrong.toml", "wrong.toml:3: unknown field 'local.epoch'", "'epochs'"),
    ("run --config type.toml", "type.toml:2: seed = 'x'", "integer"),
    ("run --config broken.toml", "broken.toml: not TOML", "schwarz show"),
    ("run tiny --config mine.toml", "mine.toml:1: preset = 'mine', not 'tiny'", "leave out one"),
    ("compile tiny -o fodler/x.yaml", "fodler/x.yaml: its folder fodler does not exist", "'folder'"),
    ("compile tiny -o folder", "folder: is a folder", "Name a file in it"),
    ("compile tiny -o /dev/null", "/dev/null: is no file but a device", "Name a file"),
    ("compile tiny --output=", "the name is empty", "Name a file"),
    ("completion bahs", "'bahs' is none of bash, zsh, fish", "'bash'"),
    ("completion", "schwarz completion: Missing argument 'bash|zsh|fish'.", "--help"),
    ("run tiny --out", "schwarz run: Option '--out' requires an argument.", "`schwarz run --help`"),
    (
        "data add x --window 28",
        "schwarz data add: Option '--window' requires 2 arguments.",
        "`schwarz data add --help`",
    ),
    ("data show sample -o x.jpg", "x.jpg: what is written is .png", "end its name"),
    ("run tiny --out /proc/mine", "--out /proc/mine: cannot be written (No such file", "that you may write to"),
    ("run tiny --out mine.toml", "mine.toml: holds something that is not a run", "--out"),
    ("resume", "Missing argument 'RUN'", "--help"),
    ("resume rnus/tiny/1", "rnus/tiny/1: no such run folder", "'runs/tiny/1'"),
    ("resume tiny/11", "tiny/11: no such run folder", "'runs/tiny/1'"),
    ("resume folder", "folder: not a run folder", "schwarz runs"),
    ("track sync tiny/2", "tiny/2: no such run folder", "schwarz runs"),
    ("resume " + "e" * 32, "MLflow run id " + "e" * 32, ""),
    ("data show smaple", "no data set 'smaple'", "'sample'"),
]


@pytest.fixture
def files(run_folder: Path, checkout: Path, sample: Path) -> Path:
    """A run, a folder, and config files of every kind."""
    (checkout / "folder").mkdir()
    (checkout / "data").symlink_to(sample)
    for name in ("mine.toml", "folder/mine.toml"):
        (checkout / name).write_text('preset = "mine"\n')
    (checkout / "wrong.toml").write_text('preset = "mine"\n[local]\nepoch = 3\n')
    (checkout / "type.toml").write_text('preset = "mine"\nseed = "x"\n')
    (checkout / "broken.toml").write_text("preset = \n")
    return checkout


@pytest.mark.parametrize(("line", "message", "remedy"), WRONG, ids=[line for line, _, _ in WRONG])
def test_a_usage_error_is_one_clear_message(
    files: Path, schwarz: Callable[..., Any], line: str, message: str, remedy: str
) -> None:
    before = sorted(files.rglob("*"))
    told = schwarz(*shlex.split(line))
    assert told.status == 2
    assert told.out == ""
    assert len(told.err.splitlines()) <= 6
    assert told.last.startswith("Error: ")
    assert all(mark not in told.last for mark in ("?.", ".."))
    assert message in told.last
    assert remedy in told.last
    assert "Traceback" not in told.err
    assert sorted(files.rglob("*")) == before  # nothing was made


@pytest.mark.parametrize("line", [line for line, _, _ in WRONG if line.split()[0] in ("run", "show")])
def test_the_example_beside_the_message_is_valid(files: Path, schwarz: Callable[..., Any], line: str) -> None:
    told = schwarz(*shlex.split(line)).err
    example = next((text for text in told.splitlines() if text.startswith("Example: ")), None)
    if example is None:
        assert "`" in told  # the message itself says what to type
        return
    program, command, *rest = shlex.split(example.removeprefix("Example: "))
    assert (program, command) == ("schwarz", line.split(maxsplit=1)[0])
    assert schwarz("show", *[word for word in rest if word not in ("--runner", "subprocess", "python")]).status == 0


def test_no_example_stands_beside_a_remedy_that_can_be_typed(files: Path, schwarz: Callable[..., Any]) -> None:
    for line, remedy in {
        "run cifar10-vgg9-2x2": "`schwarz data add cifar-10-python.tar.gz --name cifar10`",
        "run tiny --data.limit 30 --data.validation 0.4": "`--coherent.batch 18 --global.batch 18 --local.batch 18",
        "run tiny --fresh": "`schwarz resume RUN --fresh`",
    }.items():
        (message,) = schwarz(*line.split()).err.splitlines()
        assert remedy in message


def test_an_unexpected_error_leaves_its_traceback_in_a_file(
    schwarz: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by nought")

    # no command is known to fail unexpectedly: one is made to
    monkeypatch.setattr(commands.presets, "callback", lambda **_: broken())
    told = schwarz("presets")
    assert told.status == 1
    assert len(told.err.splitlines()) == 1
    assert "unexpected ZeroDivisionError: by nought" in told.last
    log = Path(told.last.split()[-1])
    assert "Traceback" in log.read_text()
    log.unlink()


WRITING = {
    "partition tiny -o": "png",
    "compile tiny -o": "yaml",
    "data show sample -o": "png",
    "verify tiny --images 8 --network.family lenet5 --picture": "svg",
}


@pytest.mark.parametrize(("line", "suffix"), WRITING.items(), ids=WRITING)
def test_what_cannot_be_written_is_named_as_it_was_given(
    schwarz: Callable[..., Any], files: Path, line: str, suffix: str
) -> None:
    places = {
        f"/proc/x.{suffix}": "No such file or directory",  # takes no new file: said before any work
        f"{'x' * 245}.{suffix}": "File name too long",  # of the temporary file
    }
    before = sorted(files.iterdir())
    for given, reason in places.items():
        told = schwarz(*line.split(), given)
        assert told.status == 2
        assert told.last == f"Error: {given}: cannot be written ({reason}). Give a place that you may write to."
        assert told.out == ""
    assert sorted(files.iterdir()) == before


def test_a_full_disk_is_said_of_the_file_that_was_given() -> None:
    with pytest.raises(SchwarzError) as found, writing(Path("maps.png")):
        Path("/dev/full").write_text("x")
    assert str(found.value) == (
        "maps.png: cannot be written (No space left on device). Free some space, or give another place."
    )
    assert found.value.status == FAILED


def test_a_full_disk_is_said_in_words(schwarz: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> None:
        with Path("/dev/full").open("w") as sink:
            sink.write("x")

    # the words alone: a real full disk, which takes root, is in tests/machine
    monkeypatch.setattr(commands.presets, "callback", full)
    told = schwarz("presets")
    assert told.status == 1
    assert "No space left on device" in told.last
    assert "Free some space" in told.last


def test_ctrl_c_ends_a_command_without_a_traceback(
    schwarz: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    # Ctrl-C at a known moment: a real signal to a real run is in test_run.py
    monkeypatch.setattr(commands.presets, "callback", interrupted)
    told = schwarz("presets")
    assert told.status == 130
    assert "Traceback" not in told.err


def test_a_reader_that_goes_away_is_no_error(alone: Callable[..., Any], checkout: Path) -> None:
    import subprocess
    import sys

    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "from schwarz.cli import main; main()", "show", "tiny"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == ""


def test_the_nearest_path_is_mended_part_by_part(tmp_path: Path) -> None:
    (tmp_path / "first" / "second").mkdir(parents=True)
    (tmp_path / "first" / "second" / "file.toml").touch()
    file = tmp_path / "first" / "second" / "file.toml"
    assert nearest_path(tmp_path / "frist" / "secnod" / "fiel.toml") == f" Did you mean {str(file)!r}?"
    assert nearest_path(tmp_path / "zzzzzz" / "file.toml") == ""
    assert nearest_path(file) == ""  # it exists: the fault is another
