"""What a training tells of every epoch."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

OnEpoch = Callable[[int, dict[str, float]], None]
"""Called after each epoch, from 1, with its figures."""
OnNote = Callable[[str], None]
"""Called with what else is worth knowing: a retry and why, what a training goes on from."""


@dataclass
class History:
    """One value per epoch, and no accuracies where answers are neither right nor wrong; `cpu_s` is the process's
    CPU-seconds since training began, of a network that is trained with others its share."""

    epoch: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def add(self, **values: float) -> None:
        """Append one epoch."""
        for name, value in values.items():
            getattr(self, name).append(value)

    def to_json(self) -> dict[str, list[float]]:
        return asdict(self)

    @property
    def reached(self) -> list[float]:
        """What is to be gained on validation, the more the better: accuracy, or where there is none less loss."""
        return self.validation_accuracy or [-loss for loss in self.validation_loss]

    @property
    def best(self) -> int:
        """The place of the best epoch: highest validation accuracy where there is one, then lowest loss; without
        validation the last."""
        if not self.validation_loss:
            return len(self.epoch) - 1
        pairs = list(zip(self.reached, (-loss for loss in self.validation_loss), strict=True))
        return pairs.index(max(pairs))
