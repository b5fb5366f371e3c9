"""The packed format: `meta.json` and zip-deflated .npz shards (x uint8 [n, C, *spatial], y [n]), no pickles.

An image is [C, H, W], a volume [C, D, H, W]. One shard is in memory at a time, when packing and when unpacking.
The bytes are a function of the images alone (no time stamps), so that packing twice gives one DVC version.
A shard belongs to one part: reading the test images opens no file of the training images.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from schwarz.errors import WrongInput
from schwarz.files import replacing, write_atomic
from schwarz.shell import dvc

Part = Literal["train", "test"]
Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

SHARD_BYTES = 64 * 2**20  # of pixels, before compression
MOST_SHARDS = 100  # two digits number them
# All that zipfile, zlib and numpy raise on bytes that are not what they should be.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Pixels(Protocol):
    """Images by their numbers: an array in memory, or files that are decoded when they are asked for."""

    def __getitem__(self, rows: Any, /) -> Images:
        """The images [m, C, *spatial] of a slice, or of an array of numbers."""
        ...


@dataclass(frozen=True)
class Meta:
    """Content of meta.json."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]  # one image: (C, H, W), or (C, D, H, W)
    train: int
    test: int
    licence: str
    source: str  # where the images come from, in a sentence


def pack(folder: Path, meta: Meta, parts: Mapping[Part, tuple[Pixels, Labels]], shard_bytes: int = SHARD_BYTES) -> None:
    """Write `meta` and the shards of both parts into `folder`, which exists and is empty.

    Each image is asked for once, in order, and one shard is held at a time.
    """
    for part, (x, y) in parts.items():
        per_shard = max(1, shard_bytes // prod(meta.shape), ceil(len(y) / MOST_SHARDS))
        count = ceil(len(y) / per_shard)
        for number, rows in enumerate(np.array_split(np.arange(len(y)), count)):
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
            content: Any = member.getbuffer()  # no copy; the types of writestr know bytes alone
            zipped.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)
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
    """(x uint8 [n, C, *spatial], y int64 [n]) of one shard after the other; a fault is a WrongInput with its name."""
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
    """All images [n, C, *spatial] and labels [n] of one part, in memory."""
    x, y = zip(*shards(folder, part), strict=True)
    return np.concatenate(x), np.concatenate(y)


def labels(folder: Path, part: Part) -> Labels:
    """All labels [n] of one part of a set that is whole; no image is decompressed."""
    files = (zipfile.ZipFile(file) for file in sorted(folder.glob(f"{part}-*.npz")))
    found = []
    for file in files:
        with file:
            found.append(read_array(file.read("y.npy")).astype(np.int64))
    return np.concatenate(found)


def unpack(folder: Path, part: Part, target: Path) -> None:
    """Lay one part out as `target`/x.npy (uint8 [n, C, *spatial]) and y.npy (int64 [n]), as numpy.save writes them.

    To be read with `numpy.load(file, mmap_mode="r")`. Each file is whole or absent, y.npy comes last.
    """
    meta = read_meta(folder)
    header = {"descr": "|u1", "fortran_order": False, "shape": (getattr(meta, part), *meta.shape)}
    labels = []
    with replacing(target / "x.npy") as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for x, y in shards(folder, part):
            file.write(np.ascontiguousarray(x).data)
            labels.append(y)
    with replacing(target / "y.npy") as temporary, temporary.open("wb") as file:
        np.save(file, np.concatenate(labels), allow_pickle=False)


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
