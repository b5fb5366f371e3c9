"""What networks answer, and how often they are right."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from schwarz.images import Labelled, Rows
from schwarz.training.device import device
from schwarz.training.engine import Engine
from schwarz.training.epochs import tensor
from schwarz.training.stacking import laid_out

BATCH, VALUES = 100, 2**22
"""Inputs that are answered at once: so many, or as many as have that many values."""


def at_once(shape: Sequence[int]) -> int:
    """How many inputs of this shape are answered at once."""
    return max(1, min(BATCH, VALUES // prod(shape)))


def predict(module: nn.Module, x: Rows, rows: np.ndarray | None = None) -> Tensor:
    """Scores [n, K] in eval mode, of all inputs or of some rows of them; they need not fit in memory."""
    rows = np.arange(len(x)) if rows is None else rows
    place = device()
    for parameter in module.eval().to(place).parameters():
        parameter.data = laid_out(parameter.data)
    with torch.inference_mode():
        scores = answered(lambda at: module(tensor(x[rows[at]]).to(place)), len(rows), at_once(x.shape[1:]))
    module.cpu()
    return scores.cpu()


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


def judged(members: Engine, held: Sequence[Labelled]) -> list[dict[str, float]]:
    """What there is to tell of every member on its own validation images."""
    objective, n, few = members.objective, len(held[0]), at_once(held[0].shape)

    def x(at: slice) -> list[Tensor]:
        return [tensor(each.x[at]) for each in held]

    def asked(at: slice) -> Tensor:
        return members.wanted(x(at) if objective.of_itself else (), [tensor(each.y[at]) for each in held])

    answers = answered(lambda at: members.predict(x(at)), n, few, axis=1)
    wanted = answered(asked, n, few, axis=1)
    right = [count / n for count in objective.count(answers, wanted).tolist()]
    losses = [float(objective.loss(one, other)) for one, other in zip(answers, wanted, strict=True)]
    return [objective.told("validation", *each) for each in zip(losses, right, strict=True)]
