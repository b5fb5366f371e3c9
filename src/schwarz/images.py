"""Images on disk as the training reads them: memory-mapped arrays beside their classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schwarz.errors import StepFailed
from schwarz.files import replacing, sha256

MANIFEST = "manifest.json"
"""What `split` leaves: where the shards of each box lie, their sha256, and what networks need to know of the images."""


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


def spread(labelled: Labelled, count: int) -> Labelled:
    """At most `count` of them, evenly spread."""
    chosen = np.unique(np.linspace(0, len(labelled) - 1, count).astype(int))
    return Labelled(labelled.x[chosen], labelled.y[chosen])


def load_box(manifest: dict[str, Any], k: int, part: str) -> Labelled:
    """The shards of box k, memory-mapped, after their sha256 was checked."""
    folder = Path(manifest["uri"]) / str(k)
    for name, value in manifest["sha256"][str(k)].items():
        if not (folder / name).exists() or sha256(folder / name) != value:
            raise StepFailed(
                f"{folder / name}: is missing or not what `split` wrote. Resume the run to write it again."
            )
    return Labelled(np.load(folder / f"{part}-x.npy", mmap_mode="r"), np.load(folder / f"{part}-y.npy"))


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def pad(x: np.ndarray, pixels: int) -> np.ndarray:
    """Images [n, C, *spatial] with zeros around, as the networks see them."""
    return np.pad(x, [(0, 0), (0, 0), *[(pixels, pixels)] * (x.ndim - 2)])
