"""IDX files: MNIST, Fashion-MNIST and their kin, four files, gzipped or not.

A file is its magic number (0 0, the type, the number of axes), the extents in 4 bytes each, and the values.
"""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from schwarz.data.collected import Collected, Treatment
from schwarz.data.packed import Images, Labels, Part
from schwarz.errors import WrongInput

BYTES = 0x08  # the type of unsigned bytes
PARTS: dict[Part, str] = {"train": "train", "test": "t10k"}
KINDS = {"images": 3, "labels": 1}  # axes of each


def fits(folder: Path) -> bool:
    """Whether one of the four files is there, under one of its names."""
    return any(_find(folder, stem, kind) for stem in PARTS.values() for kind in KINDS)


def collect(folder: Path, treatment: Treatment) -> Collected:
    """The images [n, 1, H, W] and labels of the four files."""
    treatment.nothing_for("IDX files")
    parts: dict[Part, tuple[Images, Labels]] = {
        part: (_read(folder, stem, "images")[:, None], _read(folder, stem, "labels").astype(np.int64))
        for part, stem in PARTS.items()
    }
    (x, y), (x_test, y_test) = parts.values()
    for part, (images, labels) in parts.items():
        if len(images) != len(labels):
            raise WrongInput(f"{folder}: {len(images)} {part} images, but {len(labels)} labels. Fetch them again.")
    if x.shape[1:] != x_test.shape[1:]:
        raise WrongInput(f"{folder}: train and t10k hold images of {x.shape[2:]} and {x_test.shape[2:]} pixels.")
    count = int(max(y.max(initial=-1), y_test.max(initial=-1))) + 1
    return Collected(tuple(map(str, range(count))), x.shape[1:], parts, ("IDX files",))


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    """The file by its original name, or with a point before `idx` as unpacking programs write it."""
    names = (f"{stem}-{kind}{mark}idx{KINDS[kind]}-ubyte{gz}" for mark in "-." for gz in (".gz", ""))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read(folder: Path, stem: str, kind: str) -> NDArray[np.uint8]:
    """The array of one file, whole."""
    file, axes = _find(folder, stem, kind), KINDS[kind]
    if file is None:
        wanted = f"{stem}-{kind}-idx{axes}-ubyte"
        raise WrongInput(f"{folder / wanted}: missing, with and without .gz. IDX sets have images and labels of each "
                         f"of {' and '.join(PARTS.values())}.")  # fmt: skip
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            return _array(opened, axes, file.stat().st_size)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as fault:
        raise WrongInput(f"{file}: not a whole IDX file of bytes ({fault}). Fetch it again.") from None


def _array(opened: IO[bytes] | gzip.GzipFile, axes: int, size: int) -> NDArray[np.uint8]:
    """What an open IDX file holds; `size`, the bytes on disk, bounds what it can unpack to."""
    magic, expected = opened.read(4), bytes([0, 0, BYTES, axes])
    if magic != expected:
        raise ValueError(f"begins with {magic.hex(' ')}, not with {expected.hex(' ')}")
    shape = struct.unpack(f">{axes}I", opened.read(4 * axes))
    count = prod(shape)
    if count > 1032 * size:  # deflate's best
        raise ValueError(f"{count} bytes are promised by a file of {size}")
    content = opened.read(count + 1)
    if len(content) != count:
        raise ValueError(f"{'more' if len(content) > count else 'fewer'} bytes than its {list(shape)}")
    return np.frombuffer(content, np.uint8).reshape(shape)
