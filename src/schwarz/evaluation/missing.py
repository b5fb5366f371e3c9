"""Loss of subdomains: how well a model does without some of its boxes, which a whole one cannot lose.

A missing box is its pixels set to the training mean, the same for all strategies and for who asks the exported model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from schwarz.blueprint import Blueprint
from schwarz.coherent import Divided, Whole
from schwarz.evaluation.certainty import mean_of, paired
from schwarz.images import pad
from schwarz.partition import Box
from schwarz.training import predict

SUBSETS = 6
"""Of so many missing boxes, at most; of one missing box all are tried."""

Missing = tuple[int, ...]


@dataclass(frozen=True)
class Damaged:
    """Images [n, C, *spatial], as they are stored, that boxes can be taken from."""

    x: np.ndarray
    blueprint: Blueprint

    @cached_property
    def _padded(self) -> np.ndarray:
        return pad(self.x, self.blueprint.pad)

    @cached_property
    def _blank(self) -> np.ndarray:
        return pad(blank(self.blueprint), self.blueprint.pad)[0]

    def without(self, missing: Missing) -> np.ndarray:
        """The padded images, the pixels of these boxes at the training mean."""
        left = self._padded.copy()
        for k in missing:
            at = self.blueprint.partition.boxes[k].slices
            left[at] = self._blank[at]
        return left

    def whole(self, missing: Missing) -> np.ndarray:
        """As stored, without the padding."""
        return self._stored(self.without(missing))

    def each_without(self, gone: np.ndarray) -> np.ndarray:
        """As stored, each image without boxes of its own: bool [n, N]."""
        left = self._padded.copy()
        for box, of in zip(self.blueprint.partition, gone.T, strict=True):
            left[(of, *box.slices)] = self._blank[box.slices]
        return self._stored(left)

    def _stored(self, padded: np.ndarray) -> np.ndarray:
        inner = tuple(slice(self.blueprint.pad, self.blueprint.pad + n) for n in self.x.shape[2:])
        return padded[(..., *inner)]


def blank(blueprint: Blueprint) -> np.ndarray:
    """The training mean as one image uint8 [1, C, *spatial]: nothing is to be seen."""
    shape, axes = blueprint.image_shape, len(blueprint.image_shape) - 1
    mean = blueprint.mean_image
    mean = np.reshape(blueprint.mean, (-1, *[1] * axes)) if mean is None else mean
    return np.broadcast_to(np.rint(255 * mean).astype(np.uint8), shape)[None].copy()


def subsets(boxes: int, missing: int, seed: int) -> list[Missing]:
    """Which boxes are missing: all choices where they are few, else some of them by chance."""
    if missing == 1 or comb(boxes, missing) <= SUBSETS:
        return list(combinations(range(boxes), missing))
    rng, found = np.random.default_rng([seed, missing]), set[Missing]()
    while len(found) < SUBSETS:
        found.add(tuple(sorted(rng.choice(boxes, missing, replace=False).tolist())))
    return sorted(found)


def loss_of_boxes(
    models: Mapping[str, Whole | Divided], blueprint: Blueprint, x: np.ndarray, y: np.ndarray, seed: int
) -> dict[str, Any]:
    """Of every model its accuracy with 1 to N - 1 of two or more boxes missing: the mean, the worst and the best over
    the subsets; and without each single box. Which loses least with half of them missing, which box each misses most,
    and whether the images tell that."""
    right = rights(models, blueprint, x, y, seed)
    found = {name: [each.mean(1).tolist() for each in rows] for name, rows in right.items()}
    return {
        "images": len(y),
        "subsets": [len(subsets(len(blueprint.partition), m, seed)) for m in range(1, len(blueprint.partition))],
        "strategies": {name: [_span(row) for row in rows] for name, rows in found.items()},
        "without": {name: rows[1] for name, rows in found.items()},
        "steadiest": _steadiest(right),
        "dearest": {name: _dearest(rows[0][0], rows[1]) for name, rows in right.items()},
    }


def rights(
    models: Mapping[str, Whole | Divided], blueprint: Blueprint, x: np.ndarray, y: np.ndarray, seed: int
) -> dict[str, list[np.ndarray]]:
    """Whether every model is right: for 0 to N - 1 missing boxes bool [choices of them, images]."""
    n, asking = len(blueprint.partition), _Asking(Damaged(x, blueprint))
    asked = [[()], *(subsets(n, missing, seed) for missing in range(1, n))]
    return {
        name: [np.stack([asking(model, each).argmax(-1).numpy() == y for each in some]) for some in asked]
        for name, model in models.items()
    }


def _steadiest(right: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Any]:
    """The model that is best, in the mean, with half of the boxes missing, and its lead over the next one."""
    missing = len(next(iter(right.values()))) // 2
    means = {name: rows[missing].mean(0) for name, rows in right.items()}
    best, *others = sorted(means, key=lambda name: -means[name].mean())
    told = {"missing": missing, "strategy": best, "next": None}
    if not others:
        return told
    lead = means[best] - means[others[0]]
    return told | {"next": others[0], "lead": float(lead.mean()), **asdict(mean_of(lead))}


def _dearest(whole: np.ndarray, without: np.ndarray) -> dict[str, Any]:
    """The box whose loss costs most, how much that is, and whether it is told apart from the next one."""
    box, other = np.argsort(without.mean(1), kind="stable")[:2].tolist()
    loss, more = paired(whole, without[box]), paired(without[other], without[box])
    cost = float(whole.mean() - without[box].mean())
    return {"box": box, "loss": cost, **asdict(loss), "next": other, "told_apart": more.low > 0}


def _span(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "worst": min(values), "best": max(values)}


class _Asking:
    """Scores of damaged images; a local network is asked once for what of its box is missing."""

    def __init__(self, images: Damaged) -> None:
        self.images, self.boxes = images, images.blueprint.partition.boxes
        self.known: dict[tuple[nn.Module, Missing], Tensor] = {}

    def __call__(self, model: Whole | Divided, missing: Missing) -> Tensor:
        if isinstance(model, Whole):
            return predict(model, self.images.whole(missing))
        logits = [self._local(model, k, missing) for k in range(len(self.boxes))]
        with torch.inference_mode():
            return model.combiner(torch.stack(logits, 1))

    def _local(self, model: Divided, k: int, missing: Missing) -> Tensor:
        box = self.boxes[k]
        seen = tuple(j for j in missing if _touch(box, self.boxes[j]))
        key = (model.locals[k], seen)
        if key not in self.known:
            alone = Whole(model.preprocess.on(box), model.locals[k])
            self.known[key] = predict(alone, self.images.without(seen)[box.slices])
        return self.known[key]


def _touch(one: Box, other: Box) -> bool:
    """Whether two boxes have a pixel in common."""
    return all(a < d and c < b for (a, b), (c, d) in zip(one, other, strict=True))
