"""One network of a fleet: what it is trained on, and how far it has come."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from schwarz.config import Training
from schwarz.images import Inputs, Labelled
from schwarz.task import Task
from schwarz.training.engine import State
from schwarz.training.history import History, OnEpoch, OnNote
from schwarz.training.moments import Moments
from schwarz.training.objective import OBJECTIVES, Objective
from schwarz.training.rates import stopped


@dataclass(eq=False)
class Member:
    """One network, inputs -> scores [batch, K] or other answers, and what it is trained on."""

    model: nn.Module
    train: Inputs
    validation: Labelled | None
    seed: int
    on_epoch: OnEpoch = lambda epoch, figures: None
    on_note: OnNote = lambda message: None
    task: Task | str = Task.CLASSIFICATION
    start: Moments | None = None
    """What Adam begins with; None: with nothing. The members of a fleet begin at one count of steps."""
    keeps_moments: bool = False
    """Whether Adam's moments after the best epoch are kept too."""
    spent_s: float = 0.0
    """CPU-seconds of work for it, before its training and in it."""
    history: History = field(default_factory=History)
    kept: State = field(default_factory=dict)
    """Its weights after the best epoch so far."""
    moments: Moments | None = None
    """Adam's after the best epoch so far."""
    retries: int = 0

    @property
    def objective(self) -> Objective:
        return OBJECTIVES[Task(self.task)]

    @property
    def rate(self) -> float:
        """What is left of the learning rate."""
        return 0.5**self.retries

    def add(self, weights: State, moments: Moments, **figures: float) -> None:
        """One more epoch; what it ended with is kept if it is the best so far."""
        self.history.add(epoch=len(self.history.epoch) + 1, **figures, cpu_s=self.spent_s)
        if self.history.best == len(self.history.epoch) - 1:
            self.kept = {name: value.clone() for name, value in weights.items()}
            self.moments = moments.copied() if self.keeps_moments else None
        self.on_epoch(len(self.history.epoch), {**figures, "cpu_s": self.spent_s})

    def ended(self, training: Training) -> bool:
        epochs = len(self.history.epoch)
        return epochs == training.epochs or stopped(training, self.history.reached)

    def to_json(self) -> dict[str, Any]:
        """All that a checkpoint says of it beside its tensors."""
        steps = None if self.moments is None else self.moments.steps
        return {"history": self.history.to_json(), "spent_s": self.spent_s, "retries": self.retries, "moments": steps}
