"""Images on disk as the training reads them: memory-mapped arrays beside their classes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from schwarz.errors import StepFailed
from schwarz.files import replacing, sha256

MANIFEST = "manifest.json"
"""What `split` leaves: where the shards of each box lie, their sha256, and what networks need to know of the images."""


MEAN_IMAGE = "mean.npy"
"""The mean of each pixel, [C, *spatial], where images are normalised by it."""
PIECE_BYTES = 2**25


@dataclass(frozen=True)
class Labelled:
    """Inputs of a network, raw images or anything else along the first axis, and their classes (int64) or targets."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input of the network."""
        return self.x.shape[1:]

    @property
    def nbytes(self) -> int:
        """Of all that an epoch reads."""
        return self.x.nbytes

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        """[batch, ...]: the inputs at these places, read into memory; the same in every epoch."""
        return np.array(self.x[at])


class Inputs(Protocol):
    """What a network is trained on: `Labelled`, or images that move in every epoch."""

    @property
    def y(self) -> np.ndarray: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def nbytes(self) -> int: ...

    def __len__(self) -> int: ...

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Some:
    """Some of a network's inputs, by their places."""

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


def load(images: Path, part: str) -> Labelled:
    """The training or validation images that `prepare_data` laid out, memory-mapped."""
    folder = images / part
    return Labelled(np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy"))


def spread(labelled: Labelled, count: int) -> Labelled:
    """At most `count` of them, evenly spread, in memory."""
    chosen = spread_rows(len(labelled), count)
    return Labelled(labelled.x[chosen], labelled.y[chosen])


def spread_rows(n: int, count: int) -> np.ndarray:
    """At most `count` of the numbers below n, evenly spread."""
    return np.unique(np.linspace(0, n - 1, count).astype(int))


def load_box(manifest: dict[str, Any], k: int, part: str) -> Labelled:
    """The shards of box k, memory-mapped, after their sha256 was checked."""
    folder = checked(manifest, str(k))
    return Labelled(np.load(folder / f"{part}-x.npy", mmap_mode="r"), np.load(folder / f"{part}-y.npy"))


def checked(manifest: dict[str, Any], name: str) -> Path:
    """A folder of shards, after the sha256 of each was checked."""
    folder = Path(manifest["uri"]) / name
    for file, value in manifest["sha256"][name].items():
        if not (folder / file).exists() or sha256(folder / file) != value:
            raise StepFailed(
                f"{folder / file}: is missing or not what `split` wrote. Resume the run to write it again."
            )
    return folder


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def save_rows(
    path: Path, x: np.ndarray, rows: np.ndarray, make: Callable[[np.ndarray], np.ndarray] = lambda x: x
) -> None:
    """Write what `make` does of these rows of x as .npy, atomically, a piece at a time: neither need fit in memory."""
    shape = (len(rows), *make(x[:1]).shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(x.dtype), "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces(rows, x[:1].nbytes):
            file.write(np.ascontiguousarray(make(x[piece])).data)


def mean_image(x: np.ndarray) -> np.ndarray:
    """The mean of x/255 over raw images x [n, C, *spatial]; exact but for one rounding."""
    total = np.zeros(x.shape[1:], np.int64)
    for piece in pieces(np.arange(len(x)), x[:1].nbytes):
        total += x[piece].sum(0, dtype=np.int64)
    return (total / (255 * len(x))).astype(np.float32)


def pieces(rows: np.ndarray, bytes_each: int) -> Iterator[np.ndarray]:
    """The rows, so many at a time as are of a bearable size together."""
    length = max(1, PIECE_BYTES // max(1, bytes_each))
    yield from (rows[start : start + length] for start in range(0, len(rows), length))


def pad(x: np.ndarray, pixels: int) -> np.ndarray:
    """Images [n, C, *spatial] with zeros around, as the networks see them."""
    return np.pad(x, [(0, 0), (0, 0), *[(pixels, pixels)] * (x.ndim - 2)])
