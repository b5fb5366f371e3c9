"""What local networks answer to training images that they have not seen: each image is left out of one fold, and
answered by local networks that were trained on the other folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from schwarz.augmentation import training_box
from schwarz.blueprint import Blueprint
from schwarz.config import Augment, Local
from schwarz.errors import StepFailed
from schwarz.images import Inputs, load_box
from schwarz.seeds import derive
from schwarz.training import Member, fit_in_step, fleets, predict


def folds(y: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The indices of y in `count` stratified folds."""
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    return [np.sort(by_class[fold::count]) for fold in range(count)]


def enough(y: np.ndarray, count: int) -> None:
    """StepFailed where a class has too few images for the folds."""
    least = int(np.bincount(y).argmin())
    if (have := int((y == least).sum())) < count:
        raise StepFailed(
            f"coarse.folds = {count}: class {least} has {have} training images, and every fold needs one. "
            f"`--coarse.folds {max(have, 2)}`, or a coarse.source other than 'out-of-fold'."
        )


@dataclass(frozen=True)
class Cut:
    """Training images as `split` cut them, and as they are."""

    blueprint: Blueprint
    manifest: dict[str, Any]
    augment: Augment
    x: np.ndarray


@dataclass(frozen=True)
class Some:
    """Some of the training images."""

    all_: Inputs
    rows: np.ndarray

    @property
    def y(self) -> np.ndarray:
        return self.all_.y[self.rows]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.all_.shape

    @property
    def nbytes(self) -> int:
        return self.all_.nbytes

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        return self.all_.batch(self.rows[at], epoch)


def answers(
    cut: Cut, local: Local, parts: Sequence[np.ndarray], seed: int, on_fold: Callable[[int], None]
) -> np.ndarray:
    """[n, N, K]: the logits of every training image, by local networks that were trained without its fold of `parts`.

    `on_fold` is told how many folds are done.
    """
    blueprint, n = cut.blueprint, len(cut.x)
    boxes = [training_box(cut.manifest, k, cut.augment, seed) for k in range(len(blueprint.partition))]
    found = np.empty((n, len(boxes), blueprint.classes), np.float32)
    for fold, left_out in enumerate(parts):
        rest = np.setdiff1d(np.arange(n), left_out)
        fresh = blueprint.local_networks(derive(seed, "out-of-fold", fold))
        members = [
            Member(
                blueprint.on_box(network, k), Some(box, rest), load_box(cut.manifest, k, "validation"),
                derive(seed, "out-of-fold", fold, k),
            )
            for k, (network, box) in enumerate(zip(fresh, boxes, strict=True))
        ]  # fmt: skip
        for places in fleets(members, local):
            fit_in_step([members[at] for at in places], local)
        found[left_out] = predict(blueprint.divided(fresh, nn.Identity()), cut.x, left_out).numpy()
        on_fold(fold + 1)
    return found
