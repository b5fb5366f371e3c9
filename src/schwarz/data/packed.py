"""The packed format: `meta.json` and zip-deflated .npz shards (x uint8 [n, C, H, W], y [n]), no pickles.

The bytes are a function of the images alone (no time stamps), so that packing twice gives one DVC version.
A shard belongs to one part: reading the test images opens no file of the training images.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from schwarz.errors import WrongInput
from schwarz.files import write_atomic
from schwarz.shell import dvc

Part = Literal["train", "test"]
Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

SHARD_BYTES = 64 * 2**20  # of pixels, before compression
MOST_SHARDS = 100  # two digits number them
# All that zipfile, zlib and numpy raise on bytes that are not what they should be.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Meta:
    """Content of meta.json."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]  # one image: (C, H, W)
    train: int
    test: int
    licence: str
    source: str  # where the images come from, in a sentence


def pack(folder: Path, meta: Meta, parts: dict[Part, tuple[Images, Labels]], shard_bytes: int = SHARD_BYTES) -> None:
    """Write `meta` and the shards of both parts into `folder`, which exists and is empty."""
    for part, (x, y) in parts.items():
        per_shard = max(1, shard_bytes // prod(meta.shape), ceil(len(x) / MOST_SHARDS))
        count = ceil(len(x) / per_shard)
        for number, rows in enumerate(np.array_split(np.arange(len(x)), count)):
            piece = slice(rows[0], rows[-1] + 1)
            write_atomic(folder / f"{part}-{number:02d}.npz", archive({"x": x[piece], "y": y[piece]}))
    write_atomic(folder / "meta.json", json.dumps(asdict(meta), indent=2) + "\n")


def archive(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    """An .npz file of these arrays, the same bytes whenever and by whomever it is made."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # else the operating system's number stands in the file
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, member.getvalue(), compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)
    return out.getvalue()


def read_meta(folder: Path) -> Meta:
    """The meta.json of a packed set."""
    file = folder / "meta.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Meta(**values | {"classes": tuple(values["classes"]), "shape": tuple(values["shape"])})
    except FileNotFoundError:
        raise WrongInput(f"{file}: missing. {remedy(folder)}") from None
    except (OSError, TypeError, KeyError, ValueError) as fault:
        raise WrongInput(f"{file}: not the description of a packed set ({fault}). {remedy(folder)}") from None


def shards(folder: Path, part: Part) -> Iterator[tuple[Images, Labels]]:
    """(x uint8 [n, C, H, W], y int64 [n]) of one shard after the other; every fault is a WrongInput naming the file."""
    meta = read_meta(folder)
    seen, promised = 0, getattr(meta, part)
    for file in sorted(folder.glob(f"{part}-*.npz")):
        x, y = _read_shard(file, meta)
        seen += len(y)
        yield x, y
    if seen != promised:
        message = f"{folder}: its {part} shards hold {seen} images, meta.json says {promised}"
        raise WrongInput(f"{message}: a shard is missing or foreign. {remedy(folder)}")


def read(folder: Path, part: Part) -> tuple[Images, Labels]:
    """All images [n, C, H, W] and labels [n] of one part, in memory."""
    x, y = zip(*shards(folder, part), strict=True)
    return np.concatenate(x), np.concatenate(y)


def remedy(folder: Path) -> str:
    """How to get the set of this folder back."""
    return f"`{dvc('pull', '--force', f'{folder}.dvc')}` restores it."


def read_array(member: bytes) -> NDArray[Any]:
    """The array of one .npy member; a ValueError where it holds pickled objects."""
    return np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)


def _read_shard(file: Path, meta: Meta) -> tuple[Images, Labels]:
    try:
        with zipfile.ZipFile(file) as zipped:
            x, y = (read_array(zipped.read(f"{name}.npy")) for name in ("x", "y"))
    except UNREADABLE as fault:
        raise WrongInput(f"{file}: truncated or not a shard ({fault}). {remedy(file.parent)}") from None
    if x.dtype != np.uint8 or x.shape[1:] != meta.shape or y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        found = f"x {x.dtype} {list(x.shape)}, y {y.dtype} {list(y.shape)}"
        wanted = f"x uint8 {['n', *meta.shape]}, y of integers ['n']"
        raise WrongInput(f"{file}: holds {found}, not {wanted}. {remedy(file.parent)}")
    if len(y) and not 0 <= y.min() <= y.max() < len(meta.classes):
        message = f"{file}: labels from {y.min()} to {y.max()}, but there are {len(meta.classes)} classes"
        raise WrongInput(f"{message}. {remedy(file.parent)}")
    return x, y.astype(np.int64)
