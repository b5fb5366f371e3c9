"""What local networks answer to training images that they have not seen: each image is left out of one fold, and
answered by local networks that were trained on the other folds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schwarz.blueprint import Blueprint
from schwarz.config import Local
from schwarz.errors import StepFailed
from schwarz.images import Labelled, load_box
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


def answers(
    blueprint: Blueprint, manifest: dict[str, Any], local: Local, parts: Sequence[np.ndarray], seed: int,
    on_fold: Callable[[int], None],
) -> np.ndarray:  # fmt: skip
    """[n, N, K]: the logits of every training image, by local networks that were trained without its fold of `parts`.

    `on_fold` is told how many folds are done.
    """
    boxes = [load_box(manifest, k, "train") for k in range(len(blueprint.partition))]
    found = np.empty((len(boxes[0]), len(boxes), blueprint.classes), np.float32)
    for fold, left_out in enumerate(parts):
        rest = np.setdiff1d(np.arange(len(boxes[0])), left_out)
        fresh = blueprint.local_networks(derive(seed, "out-of-fold", fold))
        members = [
            Member(
                blueprint.on_box(network), Labelled(box.x[rest], box.y[rest]), load_box(manifest, k, "validation"),
                derive(seed, "out-of-fold", fold, k),
            )
            for k, (network, box) in enumerate(zip(fresh, boxes, strict=True))
        ]  # fmt: skip
        for places in fleets(members, local):
            fit_in_step([members[at] for at in places], local)
        for k, (member, box) in enumerate(zip(members, boxes, strict=True)):
            found[left_out, k] = predict(member.model, box.x[left_out]).numpy()
        on_fold(fold + 1)
    return found
