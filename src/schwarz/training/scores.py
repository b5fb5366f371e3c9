"""What networks answer, and how often they are right."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from schwarz.images import Labelled
from schwarz.training.epochs import tensor
from schwarz.training.stacking import laid_out

BATCH = 100


def predict(module: nn.Module, x: np.ndarray, rows: np.ndarray | None = None) -> Tensor:
    """Scores [n, K] in eval mode, of all inputs or of some rows of them; they need not fit in memory."""
    rows = np.arange(len(x)) if rows is None else rows
    for parameter in module.eval().parameters():
        parameter.data = laid_out(parameter.data)
    with torch.inference_mode():
        return torch.cat([module(tensor(x[rows[i : i + BATCH]])) for i in range(0, len(rows), BATCH)])


def accuracy(scores: Tensor, y: np.ndarray) -> float:
    """Share of rows whose largest score is at y."""
    return float((scores.argmax(-1).numpy() == y).mean())


def judged(predict: Callable[[Sequence[Tensor]], Tensor], held: Sequence[Labelled]) -> list[dict[str, float]]:
    """Loss and accuracy of every member on its own validation images."""
    n = len(held[0])
    parts = [predict([tensor(each.x[i : i + BATCH]) for each in held]) for i in range(0, n, BATCH)]
    told = []
    for scores, each in zip(torch.cat(parts, 1), held, strict=True):
        loss = float(cross_entropy(scores, torch.from_numpy(each.y)))
        told.append({"validation_loss": loss, "validation_accuracy": accuracy(scores, each.y)})
    return told
