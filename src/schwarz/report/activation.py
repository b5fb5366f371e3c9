"""Figure 3.8 of document 3 in the page: class activation maps over the images that they are of.

A row of the table is one image, a column one network or the local networks side by side. The map of the true class lies
over the faded image, in one colour where it speaks for the class and in another where it speaks against it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schwarz.report import pixels

FILES = "activation_maps.json", "activation_maps.npy"
"""What the step `evaluate` leaves: which images and networks there are, and the maps."""
HEADS = {
    "local": "local networks",
    "composed": "composed",
    "composed_tuned": "composed_tuned",
    "untrained": "global, untrained",
    "global": "global",
}
"""The columns, in the order of Figure 3.8."""


class Looks(NamedTuple):
    """Where networks see the true class of some images."""

    images: np.ndarray
    """uint8 [n, C, height, width], of volumes the middle slice."""
    labels: Sequence[int]
    slice: int | None
    """Of volumes which one along the first axis that is."""
    maps: Mapping[str, np.ndarray]
    """By network [n, height, width]; their shape may be smaller than that of the images."""
    says: Mapping[str, Sequence[Sequence[int]]]
    """By network for each image the class that it names, or that each of the local networks does."""


class Tile(NamedTuple):
    """One network's map on one image, and what the network says."""

    network: str
    uri: str
    says: str
    wrong: bool
    """Whether it does not name the true class; of several networks whether none does."""
    boxes: list[tuple[int, int, int, int]]


class Row(NamedTuple):
    """One image, its true class, and the maps over it; `faded` is what they lie over."""

    true: str
    uri: str
    faded: str
    width: int
    height: int
    tiles: list[Tile]


def rows(looks: Looks, classes: Sequence[str], boxes: Sequence[pixels.Box]) -> list[Row]:
    """The rows of the table; the boxes of the partition are outlined in the maps of the local networks."""
    outlined = {"local": pixels.rectangles(_across(boxes, looks.slice))}
    found = []
    for i, (image, label) in enumerate(zip(looks.images, looks.labels, strict=True)):
        tiles = []
        for name in (name for name in HEADS if name in looks.maps):
            says = looks.says[name][i]
            said, wrong = _said(says, label, classes), label not in says
            tiles.append(Tile(HEADS[name], pixels.signed(looks.maps[name][i]), said, wrong, outlined.get(name, [])))
        small, (height, width) = pixels.thumbnail(image), image.shape[1:]
        found.append(Row(classes[label], pixels.png(small), pixels.faded(small), width, height, tiles))
    return found


def _across(boxes: Sequence[pixels.Box], at: int | None) -> list[pixels.Box]:
    """Of volumes, the boxes that hold a slice, in that slice."""
    return list(boxes) if at is None else [box[1:] for box in boxes if box[0][0] <= at < box[0][1]]


def _said(says: Sequence[int], label: int, classes: Sequence[str]) -> str:
    if len(says) > 1:
        return f"{sum(each == label for each in says)} of {len(says)} right"
    return f"{classes[says[0]]}, {'right' if says[0] == label else 'wrong'}"
