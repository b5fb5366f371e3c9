"""Progress: events in, lines out; on a terminal, in a pipe, without colour."""

import io
import re
from typing import Any

import pytest

from schwarz.cli.board import Board, Task
from schwarz.cli.display import Live, Plain, closing, duration, moving, screen
from schwarz.journal import Event


def event(t: float, kind: str, part: str = "", step: str = "train_local", **fields: Any) -> Event:
    return {"t": t, "step": step, "part": part, "event": kind, **fields}


TWO_AT_ONCE = [
    event(0.0, "start", "0", title="local 0"),
    event(0.1, "start", "1", title="local 1"),
    event(1.0, "progress", "0", done=1, total=4),
    event(1.0, "metric", "0", run="local 0", epoch=1, metrics={"validation_accuracy": 0.5, "train_loss": 1.2}),
    event(3.0, "progress", "0", done=2, total=4),
    event(3.5, "done", "1", wall_s=3.4, cpu_s=3.0, metrics={"validation_accuracy": 0.61}),
    event(4.0, "done", "0", wall_s=64.0, cpu_s=60.0, metrics={}),
    event(4.1, "start", "", step="compose", title="compose"),
    event(4.2, "reused", "", step="compose", saved_s=142.0, metrics={}),
]


SENT = re.compile(r"\x1b\[(\d+)A|(\r?\x1b\[J)|(\x1b\[\d+m)|(\n)|([^\x1b\n]+)")


class Terminal(io.StringIO):
    """A screen that understands what Live sends: cursor up, line start, clear to the end, colour."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.at, self.written = [""], 0, ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written += text
        for up, erase, colour, newline, plain in SENT.findall(text):
            if up:
                self.at -= int(up)
            elif erase:
                del self.rows[self.at :]
                self.rows.append("")
            elif newline:
                self.at += 1
                self.rows += [""] * (self.at + 1 - len(self.rows))
            elif not colour:
                self.rows[self.at] += plain.strip("\r")
        return len(text)

    @property
    def lines(self) -> list[str]:
        return [row for row in self.rows if row]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_pipe_gets_few_lines_and_no_escape_codes() -> None:
    stream = io.StringIO()
    board = Board()
    plain = screen(board, stream)
    assert isinstance(plain, Plain)
    for number in range(40):  # eight polls a second
        plain.show([e for e in TWO_AT_ONCE if number <= e["t"] * 8 < number + 1], number / 8)
    plain.close()
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    for title in ("local 0", "local 1", "compose"):
        assert 1 <= sum(line.startswith(title) for line in lines) <= 3
    assert [line.split("  ")[0] for line in lines][-3:] == ["local 1", "local 0", "compose"]
    assert lines[-3].endswith("validation accuracy 0.610")
    assert lines[-1].endswith("reused, saved 2 min 22 s")


def test_a_long_task_is_announced_once() -> None:
    stream = io.StringIO()
    plain = Plain(Board(), stream)
    plain.show(TWO_AT_ONCE[:1], 0.0)
    assert stream.getvalue() == ""
    for now in (21.0, 40.0, 60.0):
        plain.show([], now)
    assert stream.getvalue().split() == ["local", "0", "running"]


def test_a_terminal_shows_a_line_for_each_running_task_then_one_that_stays() -> None:
    terminal = Terminal()
    live = screen(Board(), terminal)
    assert isinstance(live, Live)
    live.show(TWO_AT_ONCE[:5], 3.0)
    assert len(terminal.lines) == 2
    first, second = terminal.lines
    assert first.split()[:2] == ["local", "0"]
    assert "2/4" in first
    assert "4 s left" in first
    assert "validation accuracy 0.500" in first
    assert second.split()[:2] == ["local", "1"]
    live.show(TWO_AT_ONCE[5:6], 3.6)
    assert [line.strip().split("  ")[0] for line in terminal.lines] == ["✓ local 1", "local 0"]
    live.show(TWO_AT_ONCE[6:], 4.3)
    live.close()
    assert [line.split("  ")[0] for line in terminal.lines] == ["✓ local 1", "✓ local 0", "✓ compose"]


def test_live_lines_fit_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    Live(Board(), terminal).show(TWO_AT_ONCE[:5], 3.0)
    assert max(map(len, terminal.lines)) <= 39


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {}])
def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]) -> None:
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    Live(Board(), terminal).show(TWO_AT_ONCE, 5.0)
    assert bool(re.search(r"\x1b\[\d+m", terminal.written)) is not bool(setting)


def test_a_dumb_terminal_is_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(screen(Board(), Terminal()), Plain)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    terminal = Terminal()
    terminal.encoding = "ascii"
    Live(Board(), terminal).show(TWO_AT_ONCE[:6], 3.6)
    terminal.written.encode("ascii")


def test_a_note_is_shown_once() -> None:
    stream = io.StringIO()
    plain = Plain(Board(), stream)
    for _ in range(3):
        plain.show([event(1.0, "note", text="MLflow does not answer")], 1.0)
    assert stream.getvalue() == "MLflow does not answer\n"


def test_time_left_is_counted_from_the_first_progress() -> None:
    board = Board()
    for told in (event(0, "start", title="x"), event(10, "progress", done=1, total=5)):
        board.take(told)
    (task,) = board.running()
    assert task.left_s(10.0) == pytest.approx(40)  # ten seconds for one of five, loading included
    board.take(event(12, "progress", done=2, total=5))
    assert task.left_s(12.0) == pytest.approx(6)  # two seconds each
    assert task.left_s(15.0) == pytest.approx(3)
    assert task.left_s(99.0) == 0
    assert Task("y", 0.0).left_s(5.0) is None
    assert "left" not in moving(Task("y", 0.0), 5.0)


def test_the_next_training_of_a_step_is_counted_by_itself() -> None:
    """Those of the folds took an hour; the coarse net's fifteen epochs take a second each."""
    board = Board()
    for told in (event(0, "start", title="x"), event(1800, "progress", done=1, total=2)):
        board.take(told)
    board.take(event(3600, "progress", done=2, total=2))
    board.take(event(3601, "progress", done=1, total=15))
    (task,) = board.running()
    assert task.left_s(3601.0) == pytest.approx(14)
    board.take(event(3602, "progress", done=2, total=15))
    assert task.left_s(3602.0) == pytest.approx(13)


def test_a_step_that_starts_again_is_new() -> None:
    board = Board()
    board.take(event(0, "start", title="x"))
    board.take(event(1, "failed", error="no", log="l", status=1))
    assert [task.title for task in board.failed()] == ["x"]
    board.take(event(2, "start", title="x"))
    assert board.failed() == []
    assert len(board.running()) == 1


def test_reused_counts_what_ended() -> None:
    board = Board()
    for told in TWO_AT_ONCE:
        board.take(told)
    assert board.reused() == (1, 3, 142.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (192, "3 min 12 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_failed_task_says_so() -> None:
    assert closing(Task("coarse", 0.0, state="failed")).split() == ["coarse", "failed"]
