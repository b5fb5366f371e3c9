"""What was found at a path, before it is packed; and what a person wants done to it on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schwarz.data.packed import Images, Labels, Part, Pixels
from schwarz.errors import WrongInput

Size = tuple[int, ...]  # (H, W) of an image, (D, H, W) of a volume
Window = tuple[float, float]  # the values of a volume that become 0 and 255


@dataclass(frozen=True)
class Treatment:
    """How images are read: brought to `size`, a volume's values cut to `window`, `skip_bad` of them left out."""

    size: Size | None = None
    window: Window | None = None
    skip_bad: int = 0

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise WrongInput(f"--size {numbers(self.size)}: every extent must be at least 1.")

    def nothing_for(self, what: str) -> None:
        """Refuse a size and a window where pixels are taken as they are."""
        if self.size is not None:
            raise WrongInput(f"--size {numbers(self.size)}: the images of {what} are taken as they are.")
        self.no_window(what)

    def no_window(self, what: str) -> None:
        """Refuse a window where there are no volumes to be cut to it."""
        if self.window is not None:
            raise WrongInput(f"--window {numbers(self.window)}: is for NIfTI volumes, not for {what}.")


@dataclass(frozen=True)
class Collected:
    """A set that was found. Without "test" a part of "train" has still to be set aside."""

    classes: tuple[str, ...]
    shape: tuple[int, ...]  # one image: (C, *spatial)
    parts: Mapping[Part, tuple[Pixels, Labels]]
    notes: tuple[str, ...]  # what was decided on the way, to be shown
    skipped: tuple[str, ...] = ()  # images left out, with the reason


@dataclass(frozen=True)
class Chosen:
    """Some of the images, by their numbers; nothing is copied before it is asked for."""

    images: Pixels
    numbers: NDArray[np.intp]

    def __getitem__(self, rows: Any, /) -> Images:
        return self.images[self.numbers[rows]]


def numbers(values: tuple[float, ...]) -> str:
    """The values of an option as they are typed."""
    return " ".join(f"{value:g}" for value in values)
