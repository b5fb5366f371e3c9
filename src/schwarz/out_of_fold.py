"""What local networks answer to training images that they have not seen: each image is left out of one fold, and
answered by local networks that were trained on the other folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from schwarz.blueprint import blueprint_of, load_fleet
from schwarz.checks import unfilled
from schwarz.errors import WrongSetting
from schwarz.images import Rows, Some
from schwarz.seeds import derive
from schwarz.shares import Share, fleet
from schwarz.training import predict


def folds(y: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The indices of y in `count` stratified folds."""
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    return [np.sort(by_class[fold::count]) for fold in range(count)]


def enough(y: np.ndarray, classes: int, count: int) -> None:
    """WrongSetting where a class has too few images for the folds."""
    if message := unfilled(np.bincount(y, minlength=classes).tolist(), count):
        raise WrongSetting(message)


@dataclass(frozen=True)
class Without(Share):
    """Local networks that are trained without a fold of the training images."""

    fold: int
    left_out: np.ndarray

    def start(self) -> int:
        return derive(self.seed, "out-of-fold", self.fold)

    def order(self, k: int) -> int:
        return derive(self.seed, "out-of-fold", self.fold, k)

    def images(self, k: int) -> Some:
        all_ = super().images(k)
        return Some(all_, np.setdiff1d(np.arange(len(all_)), self.left_out))


def answers(x: Rows, trained: Sequence[Without]) -> np.ndarray:
    """[n, N, K]: the logits of every training image of x, by the local networks that were trained without its fold."""
    parts = []
    for each in trained:
        boxes = fleet([each.out])
        model = blueprint_of(boxes[0]).divided(load_fleet(boxes), nn.Identity())
        parts.append(predict(model, x, each.left_out).numpy())
    found = np.empty((len(x), *parts[0].shape[1:]), np.float32)
    for each, part in zip(trained, parts, strict=True):
        found[each.left_out] = part
    return found
