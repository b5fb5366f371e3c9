"""What a training minimises and what it tells of it: all that the trainer knows of a task."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from schwarz.images import Labelled
from schwarz.task import Task


@dataclass(frozen=True)
class Objective:
    """Of what networks answer [members, batch, ...] and what is wanted of them, beginning alike."""

    loss: Callable[..., Tensor]
    """Of answers [n, ...] and what is wanted, as torch's own: their mean loss, or with reduction="none" every one."""
    right: Callable[[Tensor, Tensor], Tensor] | None = None
    """Which answers are right; None: an answer is only more or less wrong, there is no accuracy."""
    of_itself: bool = False
    """Whether what is wanted is what the network sees, and not what stands beside it."""

    def losses(self, answers: Tensor, wanted: Tensor) -> Tensor:
        """[members]: the mean loss of each."""
        each = self.loss(answers.flatten(0, 1), wanted.flatten(0, 1), reduction="none")
        return each.reshape(len(answers), -1).mean(1)

    def count(self, answers: Tensor, wanted: Tensor) -> Tensor:
        """[members]: how many answers of each are right; none where there is no right."""
        if self.right is None:
            return torch.zeros(len(answers), dtype=torch.long)
        return self.right(answers, wanted).sum(1)

    def told(self, of: str, loss: float, accuracy: float) -> dict[str, float]:
        """What there is to tell of the images of a part, by the names in `History`."""
        return {f"{of}_loss": loss} | ({} if self.right is None else {f"{of}_accuracy": accuracy})


def squared_error(answers: Tensor, wanted: Tensor, reduction: str = "mean") -> Tensor:
    """(answer - wanted)^2 of every value, the targets in any shape of as many values."""
    if answers.numel() != wanted.numel():
        raise ValueError(f"targets {tuple(wanted.shape)} for answers {tuple(answers.shape)}: one for each")
    return mse_loss(answers, wanted.reshape(answers.shape).to(answers.dtype), reduction=reduction)


OBJECTIVES = {
    Task.CLASSIFICATION: Objective(cross_entropy, lambda scores, classes: scores.argmax(-1) == classes),
    Task.REGRESSION: Objective(squared_error),
    Task.AUTOENCODER: Objective(squared_error, of_itself=True),
}


def unlabelled(x: np.ndarray) -> Labelled:
    """Inputs of which nothing is known beside: what an autoencoder is trained on."""
    return Labelled(x, np.empty((len(x), 0), np.float32))
