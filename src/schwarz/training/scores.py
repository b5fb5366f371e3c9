"""What networks answer, and how often they are right."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from schwarz.images import Labelled
from schwarz.training.epochs import tensor
from schwarz.training.stacking import laid_out

BATCH, VALUES = 100, 2**22
"""Inputs that are answered at once: so many, or as many as have that many values."""


def at_once(shape: Sequence[int]) -> int:
    """How many inputs of this shape are answered at once."""
    return max(1, min(BATCH, VALUES // prod(shape)))


def predict(module: nn.Module, x: np.ndarray, rows: np.ndarray | None = None) -> Tensor:
    """Scores [n, K] in eval mode, of all inputs or of some rows of them; they need not fit in memory."""
    rows = np.arange(len(x)) if rows is None else rows
    for parameter in module.eval().parameters():
        parameter.data = laid_out(parameter.data)
    with torch.inference_mode():
        return answered(lambda at: module(tensor(x[rows[at]])), len(rows), at_once(x.shape[1:]))


def answered(answer: Callable[[slice], Tensor], n: int, few: int, axis: int = 0) -> Tensor:
    """The answers to n inputs, asked for `few` at a time and put together along an axis.

    They are written where they stay: small results that are kept between large ones that are freed would leave holes
    in memory, and more of them with every batch.
    """
    first = answer(slice(0, min(few, n)))
    whole = first.new_empty([*first.shape[:axis], n, *first.shape[axis + 1 :]])
    whole.narrow(axis, 0, first.shape[axis]).copy_(first)
    del first
    for start in range(few, n, few):
        length = min(few, n - start)
        whole.narrow(axis, start, length).copy_(answer(slice(start, start + length)))
    return whole


def accuracy(scores: Tensor, y: np.ndarray) -> float:
    """Share of rows whose largest score is at y."""
    return float((scores.argmax(-1).numpy() == y).mean())


def judged(predict: Callable[[Sequence[Tensor]], Tensor], held: Sequence[Labelled]) -> list[dict[str, float]]:
    """Loss and accuracy of every member on its own validation images."""
    few = at_once(held[0].shape)
    whole = answered(lambda at: predict([tensor(each.x[at]) for each in held]), len(held[0]), few, axis=1)
    told = []
    for scores, each in zip(whole, held, strict=True):
        loss = float(cross_entropy(scores, torch.from_numpy(each.y)))
        told.append({"validation_loss": loss, "validation_accuracy": accuracy(scores, each.y)})
    return told
