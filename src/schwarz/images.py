"""Images on disk as the training reads them: memory-mapped arrays beside their classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schwarz.files import replacing


@dataclass(frozen=True)
class Labelled:
    """Inputs of a network, raw images or anything else along the first axis, and their classes (int64)."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


def load(images: Path, part: str) -> Labelled:
    """The training or validation images that `prepare_data` laid out, memory-mapped."""
    folder = images / part
    return Labelled(np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy"))


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def pad(x: np.ndarray, pixels: int) -> np.ndarray:
    """Images [n, C, *spatial] with zeros around, as the networks see them."""
    return np.pad(x, [(0, 0), (0, 0), *[(pixels, pixels)] * (x.ndim - 2)])
