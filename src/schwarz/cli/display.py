"""Progress on the screen: live lines on a terminal, a line per finished task everywhere else."""

import os
import shutil
from collections.abc import Iterable
from typing import Protocol, TextIO

from schwarz.cli.board import Board, Task
from schwarz.journal import Event

PATIENCE_S = 20.0  # a pipe hears of a task that takes longer before it ends
GREEN, RED, DIM, BOLD = "32", "31", "2", "1"
LEFT, BAR = 16, 16
CAUSE = 100


class Screen(Protocol):
    """Where progress goes."""

    def show(self, events: Iterable[Event], now: float) -> None: ...

    def close(self) -> None: ...


def screen(board: Board, stream: TextIO) -> Screen:
    """The live screen on a terminal that can move its cursor, else the plain one."""
    live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return Live(board, stream) if live else Plain(board, stream)


def coloured(stream: TextIO) -> bool:
    """Whether colour is welcome: a terminal, and no NO_COLOR (see no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, code: str, wanted: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text


def duration(seconds: float) -> str:
    """`8.3 s`, `3 min 12 s` or `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def closing(task: Task) -> str:
    """The one line that stays of a finished task."""
    if task.state == "failed":
        return f"{task.title:<{LEFT}} failed{_cause(task)}"
    if task.state == "reused":
        return f"{task.title:<{LEFT}} reused, saved {duration(task.saved_s)}"
    return f"{task.title:<{LEFT}} {duration(task.wall_s):>12}{_accuracy(task)}"


def moving(task: Task, now: float, width: int = 120, cells: tuple[str, str] = ("#", ".")) -> str:
    """The line of a running task: a bar once it has told how much there is, and the time left once that is known."""
    text = f"{task.title:<{LEFT}} {duration(max(0.0, now - task.started)):>12}"
    if task.total:
        full = round(BAR * min(1.0, task.done / task.total))
        text += f"  {cells[0] * full}{cells[1] * (BAR - full)} {task.done:g}/{task.total:g}"
    left = task.left_s(now)
    if left is not None:
        text += f"  {duration(left) if left >= 60 else f'{left:.0f} s'} left"
    accuracy = _accuracy(task)
    return text + accuracy if len(text) + len(accuracy) <= width else text[:width]


def _cause(task: Task) -> str:
    """In a few words, for others may go on for long before the last lines say it in full."""
    first = str(task.failure.get("error", "")).partition("\n")[0]
    return f": {first if len(first) <= CAUSE else first[: CAUSE - 3] + '...'}" if first else ""


def _accuracy(task: Task) -> str:
    """The validation accuracy, of several networks their mean."""
    found = [value for name, value in task.metrics.items() if name.endswith("validation_accuracy")]
    return f"   validation accuracy {sum(found) / len(found):.3f}" if found else ""


class Plain:
    """At most two lines a task and no escape codes: for pipes, files and dumb terminals."""

    def __init__(self, board: Board, stream: TextIO) -> None:
        self.board, self.stream = board, stream
        self._told: set[int] = set()
        self._notes = 0

    def show(self, events: Iterable[Event], now: float) -> None:
        lines = [closing(task) for event in events if (task := self.board.take(event))]
        for task in self.board.running():
            if now - task.started > PATIENCE_S and id(task) not in self._told:
                self._told.add(id(task))
                lines.append(f"{task.title:<{LEFT}} running")
        lines += self.board.notes[self._notes :]
        self._notes = len(self.board.notes)
        if lines:
            print(*lines, sep="\n", file=self.stream, flush=True)

    def close(self) -> None:
        """Nothing is left to clear."""


class Live:
    """One line for every running task, redrawn in place; it becomes one lasting line when the task ends."""

    def __init__(self, board: Board, stream: TextIO) -> None:
        self.board, self.stream = board, stream
        self._drawn = 0
        self._notes = 0
        unicode = "utf" in (stream.encoding or "").lower()
        self._cells = ("━", "╌") if unicode else ("#", ".")
        self._marks = {"done": "✓", "reused": "✓", "failed": "✗"} if unicode else {"failed": "x"}

    def show(self, events: Iterable[Event], now: float) -> None:
        lasting = [self._closing(task) for event in events if (task := self.board.take(event))]
        lasting += self.board.notes[self._notes :]
        self._notes = len(self.board.notes)
        width = shutil.get_terminal_size().columns - 1
        live = [f"  {moving(task, now, width - 2, self._cells)}" for task in self.board.running()]
        self._draw(lasting, live)

    def close(self) -> None:
        """Take the live lines away."""
        self._draw([], [])

    def _closing(self, task: Task) -> str:
        code = RED if task.state == "failed" else GREEN
        return f"{paint(self._marks.get(task.state, '-'), code, coloured(self.stream))} {closing(task)}"

    def _draw(self, lasting: list[str], live: list[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        text = "".join(f"{line}\n" for line in lasting + live)
        self.stream.write(f"{up}\r\x1b[J{text}" if self._drawn or text else "")
        self.stream.flush()
        self._drawn = len(live)
