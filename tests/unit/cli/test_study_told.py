"""The table of a study in a terminal, its live line, and what a pipe gets."""

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.cli.board import Board
from schwarz.cli.columns import columns
from schwarz.cli.study_line import Line, doing
from schwarz.cli.study_told import fitting
from schwarz.presets import preset
from schwarz.study.cells import Cell, plan
from schwarz.study.findings import findings
from schwarz.study.table import Table, table
from tests.unit.study_cells import three_seeds

RUNS = """
j = journal("train_local", "1")
j.write("start", title="local 1")
j.write("progress", done=7, total=24)
time.sleep(1.0)
finish()
"""


class Terminal(io.StringIO):
    """A screen that understands what a live line sends: line start and clear to the end of the line."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.shown += [line for line in re.split(r"\r\x1b\[K|\n", text) if line]
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        """What is on the screen in the end."""
        return [line.rpartition("\r\x1b[K")[2] for line in self.getvalue().split("\n")]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    return three_seeds(tmp_path)


@pytest.fixture
def told(cells: list[Cell]) -> Table:
    (found,) = findings(cells).values()
    return table(found)


def test_a_table_that_fits_is_one(told: Table) -> None:
    whole = columns(told.lines(), left=1)
    assert max(map(len, whole)) > 80
    assert fitting(told, None) == fitting(told, max(map(len, whole))) == whole


def test_one_that_does_not_is_two_below_each_other_each_with_the_names_of_its_rows(told: Table) -> None:
    lines = fitting(told, 80)
    assert max(map(len, lines)) <= 80
    first, second = "\n".join(lines).split("\n\n")
    assert re.split("  +", first.splitlines()[0]) == ["strategy", "epochs", "validation (training)", "+-", "test"]
    second = second.splitlines()
    assert re.split("  +", second[0]) == ["strategy", "CPU-s", "apart", "at epochs", "printed", "difference"]
    assert [line.split("  ")[0] for line in second[1:4]] == ["global", "average", "coarse"]


def test_in_a_narrow_terminal_what_is_printed_has_a_table_of_its_own(told: Table) -> None:
    lines = fitting(told, 64)
    assert max(map(len, lines)) <= 64
    assert lines.count("") == 2


def test_a_terminal_gets_tables_and_words_of_its_width_and_a_pipe_one_table(
    schwarz: Callable[..., Any], cells: list[Cell], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cell in cells:
        for name in ("report.html", "model.onnx"):
            (cell.run.path / name).write_text("")
        results = cell.run.results() or {}
        (cell.run.path / "results.json").write_text(json.dumps(results | {"model": {"file": "model.onnx"}}))
    folder = cells[0].run.path.parents[1]
    assert "  at epochs" in schwarz("study", "-o", folder).out.partition("validation (training)")[2].splitlines()[0]
    monkeypatch.setattr(sys, "stdout", terminal)  # what is printed to a terminal; a test has none
    schwarz("study", "-o", folder)
    lines = [line for line in terminal.lines if str(folder) not in line]
    assert 70 < max(map(len, lines)) <= 80
    assert sum(line.startswith("strategy ") for line in lines) == 2


def test_a_live_line_is_gone_before_a_lasting_one_and_at_the_end(terminal: Terminal) -> None:
    with Line(terminal) as line:
        line.show("1 of 2 runs ended; tiny seed 0: train_local 1/4, " + "x" * 40)
        line.show("x" * 100)
        line.say("tiny seed 0: 3.0 s, global 0.812")
        line.show("2 of 2 runs ended")
    assert terminal.lines == ["tiny seed 0: 3.0 s, global 0.812", ""]
    assert terminal.shown[:2] == ["1 of 2 runs ended; tiny seed 0: train_local 1/4", "x" * 79]  # it never breaks


def test_a_pipe_gets_no_live_line() -> None:
    pipe = io.StringIO()
    with Line(pipe) as line:
        line.show("1 of 2 runs ended")
        line.say("tiny seed 0: 3.0 s")
    assert pipe.getvalue() == "tiny seed 0: 3.0 s\n"


def test_a_run_says_at_which_part_of_which_step_it_is(tmp_path: Path) -> None:
    (cell,) = plan([preset("tiny")], 1, tmp_path)
    board = Board()
    assert doing(cell, board, 0.0) == "tiny seed 0"
    for t, step, part, event, more in (
        (0.0, "split", "", "start", {"title": "split"}),
        (1.0, "split", "", "done", {"wall_s": 1.0, "metrics": {}}),
        (2.0, "train_local", "1", "start", {"title": "local 1"}),
        (4.0, "train_local", "1", "progress", {"done": 1, "total": 24}),
        (6.0, "train_local", "1", "progress", {"done": 2, "total": 24}),
        (6.0, "evaluate", "", "start", {"title": "evaluate"}),
    ):
        board.take({"t": t, "step": step, "part": part, "event": event, **more})
    said = doing(cell, board, 6.0)
    assert said == "tiny seed 0: train_local 2/4, 2/24 epochs, 44.0 s left and evaluate"


def test_a_terminal_is_told_meanwhile_what_runs(
    schwarz: Callable[..., Any],
    checkout: Path,
    sample: Path,
    pipeline: Callable[[str], Path],
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (checkout / "data").symlink_to(sample)
    pipeline("sys.exit(1)")
    schwarz("study", "tiny", "--seeds", 1)
    pipeline(RUNS.replace("finish()", "sys.exit(1)"))
    monkeypatch.setattr(sys, "stdout", terminal)  # what is printed to a terminal; a test has none
    schwarz("study", "tiny", "--seeds", 2, "--jobs", 1)
    assert any("0 of 2 runs ended; tiny seed 0: train_local 2/4, 7/24 epochs" in s for s in terminal.shown)
    assert any("1 of 2 runs ended; tiny seed 1: train_local 2/4" in s for s in terminal.shown)
    assert not any("runs ended" in line for line in terminal.lines)
