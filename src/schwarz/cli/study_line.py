"""The one live line of a study on a terminal: how many runs have ended, and what those are at that go on."""

import os
import shutil
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from schwarz.cli.board import Board, Task
    from schwarz.study.cells import Cell


class Line:
    """Lasting lines, and on a terminal that can move its cursor one below them that changes; it goes when the block
    ends, whatever ended it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = ""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.show("")

    def say(self, text: str) -> None:
        """A line that stays."""
        self.show("")
        print(text, file=self.stream, flush=True)

    def show(self, text: str) -> None:
        """Put a text in the place of the one before, as far as it fits on a line of the terminal; '' takes it away."""
        room = shutil.get_terminal_size().columns - 1
        if len(text) > room:
            text = text[:room].rpartition(", ")[0] or text[:room]
        if self.live and text != self._shown:
            self._shown = text  # first: a Ctrl-C in the middle leaves something to take away
            self.stream.write(f"\r\x1b[K{text}")
            self.stream.flush()


def doing(cell: "Cell", board: "Board", now: float) -> str:
    """`tiny seed 1: train_local 2/4, 7/24 epochs, 8 s left`; of a run that has not begun its name alone."""
    tasks = [_task(cell, key, task, now) for key, task in board.tasks.items() if task.state == "running"]
    return ": ".join([str(cell), " and ".join(tasks)]) if tasks else str(cell)


def _task(cell: "Cell", key: tuple[str, str], task: "Task", now: float) -> str:
    from schwarz.cli.display import duration

    step, part = key
    config = cell.run.config
    pods = config.place.pods or config.partition.count
    told = [f"{step} {int(part) + 1}/{pods}" if part.isdigit() else task.title]
    if task.total:
        told.append(f"{task.done:g}/{task.total:g}{' epochs' if step.startswith('train_') else ''}")
    if left := task.left_s(now):
        told.append(f"{duration(left)} left")
    return ", ".join(told)
