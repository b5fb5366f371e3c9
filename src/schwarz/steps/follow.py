"""Telling the journal how trainings go: their progress together, and the curves of each as a nested run."""

from typing import Any

from schwarz.config.training import Course
from schwarz.journal import Journal


class Followers:
    """What a step trains, in step or one after the other; their progress is counted together."""

    def __init__(self, journal: Journal, training: Course, *runs: str) -> None:
        self.journal, self.training = journal, training
        self.reached = dict.fromkeys(runs, 0)
        params: dict[str, Any] = training.model_dump(mode="json")
        told = {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in params.items()}
        for run in runs:
            journal.write("run", run=run, params=told, tags={})

    def of(self, run: str) -> "Follower":
        """Called after each epoch of one network."""
        return Follower(self, run)

    def hear(self, what: str, run: str, *said: Any) -> None:
        """Of one network, from wherever it is trained: an `epoch` and its figures, a `retry` and why, or its `end`."""
        follower = self.of(run)
        {"epoch": follower, "retry": follower.retry, "end": follower.end}[what](*said)

    def reach(self, run: str, epoch: int) -> None:
        """So many epochs of a network are done."""
        self.reached[run] = epoch
        total = len(self.reached) * self.training.epochs
        self.journal.write("progress", done=sum(self.reached.values()), total=total)


class Follower:
    """Called after each epoch of one network."""

    def __init__(self, together: Followers, run: str) -> None:
        self.together, self.run = together, run

    def __call__(self, epoch: int, figures: dict[str, float]) -> None:
        self.together.journal.write("metric", run=self.run, epoch=epoch, metrics=figures)
        self.together.reach(self.run, epoch)

    def retry(self, message: str) -> None:
        """A loss that was lost, and what is done about it."""
        self.together.journal.write("note", text=f"{self.run}: {message}")

    def end(self) -> None:
        """It is trained, after all epochs or before."""
        self.together.reach(self.run, self.together.training.epochs)
        self.together.journal.write("end", run=self.run)


def follower(journal: Journal, run: str, training: Course) -> Follower:
    """Of a step that trains one network."""
    return Followers(journal, training, run).of(run)
