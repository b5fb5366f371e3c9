"""Telling the journal how trainings go: their progress together, and the curves of each as a nested run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from schwarz.config.training import Course
from schwarz.errors import Diverged
from schwarz.journal import Journal


class Followers:
    """What a step trains, in step or one after the other; their progress is counted together."""

    def __init__(self, journal: Journal, training: Course, *runs: str) -> None:
        self.journal, self.training = journal, training
        self.reached = dict.fromkeys(runs, 0)
        self.bytes = 0
        params: dict[str, Any] = training.model_dump(mode="json")
        told = {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in params.items()}
        for run in runs:
            journal.write("run", run=run, params=told, tags={})

    def hear(self, what: str, run: str, *said: Any) -> None:
        """What is said of a network: an `epoch` and its figures, a `note`, its `end`; or of all of a process, how many
        bytes it `received` while it trained."""
        getattr(self, what)(run, *said)

    def epoch(self, run: str, epoch: int, figures: dict[str, float]) -> None:
        """One more is done."""
        self.journal.write("metric", run=run, epoch=epoch, metrics=figures)
        self._reach(run, epoch)

    def note(self, run: str, message: str) -> None:
        """What else is worth knowing: a loss that was lost, a checkpoint that is gone on from."""
        self.journal.write("note", text=f"{run}: {message}")

    def end(self, run: str) -> None:
        """It is trained, after all epochs or before."""
        self._reach(run, self.training.epochs)
        self.journal.write("end", run=run)

    def received(self, _: str, count: int) -> None:
        """Of images that are read from a store batch by batch."""
        self.bytes += count

    def _reach(self, run: str, epoch: int) -> None:
        self.reached[run] = epoch
        total = len(self.reached) * self.training.epochs
        self.journal.write("progress", done=sum(self.reached.values()), total=total)


@contextmanager
def as_told(section: str) -> Iterator[None]:
    """Trainings as a section of the configuration tells them: a loss that is lost is the fault of its `lr`."""
    try:
        yield
    except Diverged as fault:
        fault.section = section
        raise
