"""NIfTI-1 volumes (.nii, .nii.gz), as CT scans come: read by numpy, cut to a window of Hounsfield units, made uint8.

The header has 348 bytes (nifti1.h): dim at 40, datatype at 70, vox_offset at 108, scl_slope and scl_inter at 112, the
magic at 344. Values are stored first axis fastest. The axes keep the file's order: (x, y, z) becomes [1, x, y, z].
"""

import gzip
import struct
import zlib
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path

import numpy as np

from schwarz.data.collected import Size, Treatment, Window, numbers
from schwarz.data.packed import Images
from schwarz.data.resampling import resample
from schwarz.errors import WrongInput

WANTED = "a NIfTI-1 volume"
HEADER = 348
WINDOW = (-1000.0, 400.0)  # air to bone: what a chest CT shows
TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
UNDECODABLE = (OSError, ValueError, EOFError, struct.error, zlib.error)


@dataclass(frozen=True)
class Header:
    """What is needed of the 348 bytes."""

    size: Size  # along x, y, z
    dtype: np.dtype
    offset: int  # of the first value in the file
    slope: float
    intercept: float

    @property
    def bytes(self) -> int:
        """What the values take."""
        return prod(self.size) * self.dtype.itemsize


@dataclass(frozen=True)
class Plan:
    """Volumes of one size, their values cut to one window."""

    size: Size
    window: Window
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(1, x, y, z)"""
        return (1, *self.size)

    def decode(self, file: Path) -> Images:
        """One volume [1, x, y, z]: `window` becomes 0 to 255, the rest is cut off, NaN is the low end."""
        values = voxels(file)
        low, high = self.window
        cut = np.clip(np.nan_to_num(values, copy=False, nan=low), low, high)
        grey = resample((cut - low) * np.float32(255 / (high - low)), self.size)
        return np.rint(grey).astype(np.uint8)[None]


def is_volume(file: Path) -> bool:
    """Whether a file's name is that of a NIfTI volume."""
    return file.name.lower().endswith((".nii", ".nii.gz"))


def header(file: Path) -> Header:
    """Size and type of one volume; ValueError where it is none of three axes and real values."""
    with _opened(file) as opened:
        found = parse(opened.read(HEADER))
    # deflate's best is 1 to 1032: a file that promises more is cut short, or made to fill the memory
    holds = file.stat().st_size * (1032 if file.suffix == ".gz" else 1)
    if found.offset + found.bytes > holds:
        raise ValueError(f"{found.bytes} bytes of values are promised, {file.stat().st_size} are the whole file")
    return found


def parse(content: bytes) -> Header:
    """The fields of a header in either byte order."""
    if len(content) < HEADER:
        raise ValueError(f"{len(content)} bytes, a header has {HEADER}")
    order = next((order for order in "<>" if struct.unpack_from(f"{order}i", content)[0] == HEADER), None)
    if order is None or content[344:348] != b"n+1\0":
        found = {b"ni1\0": "the header of a pair .hdr and .img", b"n+2\0": "NIfTI-2"}
        magic = content[4:8] if content[4:8] == b"n+2\0" else content[344:348]
        raise ValueError(f"{found.get(magic, f'its magic is {magic!r}')}, wanted: NIfTI-1 in one file")
    axes, *dim = struct.unpack_from(f"{order}8h", content, 40)
    kind = struct.unpack_from(f"{order}h", content, 70)[0]
    offset, slope, intercept = struct.unpack_from(f"{order}3f", content, 108)
    if not 3 <= axes <= 7 or min(dim[:3]) < 1 or any(extent != 1 for extent in dim[3:axes]):
        raise ValueError(f"its dim is {[axes, *dim]}, wanted: three axes of one voxel or more, and one of each other")
    if kind not in TYPES:
        raise ValueError(f"its datatype is {kind}, wanted one of {', '.join(map(str, TYPES))}")
    if not isfinite(offset) or offset < HEADER:
        raise ValueError(f"its vox_offset is {offset}, wanted: behind the header")
    if not isfinite(slope) or slope == 0:
        slope, intercept = 1.0, 0.0  # the standard's mark of values that are meant as they are
    if not isfinite(intercept):
        raise ValueError(f"its scl_inter is {intercept}")
    return Header(tuple(dim[:3]), np.dtype(order + TYPES[kind]), int(offset), slope, intercept)


def voxels(file: Path) -> np.ndarray:
    """The scaled values [x, y, z] of one volume, float32."""
    found = header(file)
    with _opened(file) as opened:
        opened.read(found.offset)
        content = opened.read(found.bytes)
    if len(content) < found.bytes:
        raise ValueError(f"cut short: {len(content)} of {found.bytes} bytes of values")
    raw = np.frombuffer(content, found.dtype).reshape(found.size, order="F")
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold lies outside any window
        return raw.astype(np.float32) * np.float32(found.slope) + np.float32(found.intercept)


def plan(headers: dict[Path, Header], treatment: Treatment) -> Plan:
    """The size asked for, else the one that all share; the window asked for, else that of a chest CT."""
    size, window = treatment.size or _common_size(headers), treatment.window or WINDOW
    if len(size) != 3:
        raise WrongInput(f"--size {numbers(size)}: volumes have three axes. For example: --size 128 128 64.")
    if not (isfinite(window[0]) and isfinite(window[1]) and window[0] < window[1]):
        raise WrongInput(f"--window {numbers(window)}: LOW must be below HIGH. For example: --window -1000 400.")
    extents, (low, high) = "x".join(map(str, size)), window
    note = f"volumes of {extents} voxels in the file's order of axes, values {low:g} to {high:g} become 0 to 255"
    return Plan(size, window, (note,))


def _common_size(headers: dict[Path, Header]) -> Size:
    first: dict[Size, Path] = {}
    for file, each in headers.items():
        first.setdefault(each.size, file)
    if len(first) > 1:
        (a, file_a), (b, file_b), *_ = first.items()
        examples = f"{file_a} is {'x'.join(map(str, a))}, {file_b} is {'x'.join(map(str, b))}"
        raise WrongInput(f"{examples}: all volumes must share one size. `--size {numbers(a)}` resamples them.")
    return next(iter(first), (0, 0, 0))


def _opened(file: Path):
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")
