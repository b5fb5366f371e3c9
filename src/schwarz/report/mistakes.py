"""The worst mistakes as pictures: what the winner was surest of and wrong, with every local network's vote."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from schwarz.report import pixels

FILES = ("mistakes.json", "mistakes.npy")
"""What `evaluate` leaves of them: what was said, and the images."""


class Vote(NamedTuple):
    """What a local network says of its box, drawn there: (x, y, width, height)."""

    box: int
    place: tuple[int, int, int, int] | None
    named: str
    probability: float
    right: bool


class Picture(NamedTuple):
    """One image, its true class, what the winner says with which probability, and the votes."""

    uri: str
    width: int
    height: int
    true: str
    named: str
    probability: float
    votes: list[Vote]

    @property
    def tally(self) -> str:
        """The votes in words."""
        return ", ".join(f"box {vote.box}: {vote.named} {vote.probability:.2f}" for vote in self.votes)


def pictures(
    mistakes: Sequence[Mapping[str, Any]], images: np.ndarray, classes: Sequence[str], boxes: Sequence[pixels.Box]
) -> list[Picture]:
    """`images`: uint8 [n, C, *spatial], padded; of volumes the middle slice is shown, and no votes are drawn on it."""
    names: list[str] = list(classes)
    flat = images if images.ndim == 4 else images[:, :, images.shape[2] // 2]
    places = pixels.rectangles(boxes) if images.ndim == 4 else [None] * len(boxes)
    return [
        Picture(
            pixels.photo(image), image.shape[2], image.shape[1], names[told["class"]], names[told["named"]],
            told["probability"],
            [
                Vote(k, place, names[vote["named"]], vote["probability"], vote["named"] == told["class"])
                for k, (vote, place) in enumerate(zip(told["votes"], places, strict=False))
            ],
        )
        for told, image in zip(mistakes, flat, strict=True)
    ]  # fmt: skip
