"""Telling the journal how one training goes: its progress, and its curves as a nested run."""

from typing import Any

from schwarz.config import Training
from schwarz.journal import Journal


class Follower:
    """Called after each epoch of one network; the `position`-th of `among` that this step trains one after another."""

    def __init__(self, journal: Journal, run: str, training: Training, position: int = 0, among: int = 1) -> None:
        self.journal, self.run, self.epochs = journal, run, training.epochs
        self.before, self.total = position * training.epochs, among * training.epochs
        params: dict[str, Any] = training.model_dump(mode="json")
        journal.write(
            "run",
            run=run,
            params={k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in params.items()},
            tags={},
        )

    def __call__(self, epoch: int, figures: dict[str, float]) -> None:
        self.journal.write("progress", done=self.before + epoch, total=self.total)
        self.journal.write("metric", run=self.run, epoch=epoch, metrics=figures)
        if epoch == self.epochs:
            self.journal.write("end", run=self.run)
