"""Box dropout: what a coarse net learns from that is to do without some of its boxes.

A missing box is in training what it is when the model is asked: its pixels are at the training mean, for its own local
network and for every other one whose box overlaps it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from schwarz.blueprint import Blueprint
from schwarz.evaluation import Damaged
from schwarz.images import Labelled, Rows
from schwarz.seeds import derive

DRAWS = 8
"""Choices of missing boxes for each image: where boxes overlap each of them is asked for."""


@dataclass(frozen=True)
class Dropped:
    """Local logits of images that lack boxes: of every image other ones in the next epoch."""

    seen: Sequence[np.ndarray]
    """For each draw [n, N, K]: what networks answer to boxes that are there; one array throughout where boxes are
    apart."""
    gone: np.ndarray
    """Which boxes are not: bool [draws, n, N]."""
    nothing: np.ndarray
    """What is answered to these [N, K]."""
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.nothing.shape

    @property
    def nbytes(self) -> int:
        """Of all that an epoch reads."""
        return self.seen[0].nbytes

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        """[batch, N, K]"""
        draws = (at + epoch) % len(self.seen)
        seen = np.stack([self.seen[draw][row] for draw, row in zip(draws, at, strict=True)])
        return np.where(self.gone[draws, at][..., None], self.nothing, seen)


@dataclass(frozen=True)
class Gapped:
    """Raw images, some boxes of each taken from it when it is read."""

    x: np.ndarray
    blueprint: Blueprint
    gone: np.ndarray
    """bool [n, N]"""

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return Damaged(self.x[rows], self.blueprint).each_without(self.gone[rows])


def dropped(
    whole: Labelled, x: np.ndarray, ask: Callable[[Rows], np.ndarray], blueprint: Blueprint,
    nothing: np.ndarray, share: float, seed: int,
) -> Dropped:  # fmt: skip
    """Of every image each box is missing with probability `share`.

    `whole`: the logits [n, N, K] of the whole images x; `ask` finds those of others. `nothing`: those of the training
    mean, [N, K], by the local networks that the coarse net will work with.
    """
    generator = np.random.default_rng(derive(seed, "missing boxes"))
    gone = generator.random((DRAWS, len(x), len(blueprint.partition))) < share
    overlap = blueprint.partition.multiplicity.max() > 1  # else no network sees what another one lacks
    seen = [ask(Gapped(x, blueprint, each)) if overlap else whole.x for each in gone]
    return Dropped(seen, gone, nothing, whole.y)
