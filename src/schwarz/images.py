"""Images on disk as the training reads them: memory-mapped arrays beside their classes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from schwarz.errors import StepFailed
from schwarz.files import read_json, replacing, sha256

MANIFEST = "manifest.json"
"""What `split` leaves: where the shards of each box lie, their sha256, and what networks need to know of the images."""


MEAN_IMAGE = "mean.npy"
"""The mean of each pixel, [C, *spatial], where images are normalised by it."""
CHECKSUMS = "-crc32.npy"
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

    @property
    def waits(self) -> bool:
        """Whether a batch has to be waited for."""
        return not isinstance(self.x, np.ndarray)

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        """[batch, ...]: the inputs at these places, read into memory; the same in every epoch."""
        return np.array(self.x[at])


class Rows(Protocol):
    """An array along its first axis, or what makes its rows when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, at: np.ndarray, /) -> np.ndarray: ...


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

    @property
    def waits(self) -> bool:
        return waits(self.all_)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        return self.all_.batch(self.rows[at], epoch)


def is_checksum(file: str) -> bool:
    """Whether a file of a box holds what rows are compared with that are read one by one."""
    return file.endswith(CHECKSUMS)


def waits(images: object) -> bool:
    """Whether batches have to be waited for; inputs of a person's own need not say so."""
    return getattr(images, "waits", False)


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


@dataclass(frozen=True)
class Shards:
    """What `split` left: the images of each box as files in a folder of its name, and how they were cut."""

    manifest: Path
    """The folder of the manifest."""
    uri: str
    """Where the boxes lie for everyone."""
    folder: Path
    """Where they lie here."""
    sha256: dict[str, dict[str, str]]
    """Folder of a box, file -> sha256."""
    plan: dict[str, Any]
    counts: dict[str, int]
    """Images of each part."""
    streamed: Mapping[str, Any] = field(default_factory=dict)
    """Arrays that are read where they are, by `<box>/<file>`: what has the rows of an array without being one."""

    @classmethod
    def read(cls, manifest: Path) -> Self:
        """Those of a manifest, which lie where it says."""
        told = read_json(manifest / MANIFEST)
        return cls(manifest, told["uri"], Path(told["uri"]), told["sha256"], told["plan"], told["counts"])

    @property
    def boxes(self) -> range:
        """The numbers of all boxes."""
        return range(len(self.plan["boxes"]))

    def check(self, name: str) -> None:
        """StepFailed unless every file of a box is as it was written."""
        for file, value in self.sha256[name].items():
            path = self.folder / name / file
            if f"{name}/{file}" in self.streamed or is_checksum(file):
                continue
            if not path.exists() or sha256(path) != value:
                raise StepFailed(f"{path}: is missing or not what `split` wrote. Resume the run to write it again.")

    def open(self, name: str, file: str) -> np.ndarray:
        """An array of a box, memory-mapped, or read where it is."""
        if (elsewhere := self.streamed.get(f"{name}/{file}")) is not None:
            return elsewhere
        return np.load(self.folder / name / file, mmap_mode="r")

    def box(self, k: int, part: str) -> Labelled:
        """Box k of the training or validation images, after its files were checked."""
        self.check(str(k))
        return Labelled(self.open(str(k), f"{part}-x.npy"), self.labels(k, part))

    def labels(self, k: int, part: str) -> np.ndarray:
        """The classes of the images of a box, which are those of any other."""
        return self.open(str(k), f"{part}-y.npy").astype(np.int64)


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
