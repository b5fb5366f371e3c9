"""Image files of any format that Pillow reads, 8 bits a channel, PGM among them."""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from schwarz.data.collected import Size, Treatment, numbers
from schwarz.data.packed import Images
from schwarz.errors import WrongInput

WANTED = "an image of 8 bits a channel"
GREY = ("1", "L", "LA")
WITHOUT_PIXELS = ("BUFR", "GRIB", "HDF5", "MPEG")  # known to Pillow by their names alone
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # more than eight bits a channel
# All that Pillow raises on a file that is no image, or no whole one.
UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before its pixels are decoded."""

    size: Size
    grey: bool


@dataclass(frozen=True)
class Plan:
    """Images of one size, grey or in colour."""

    size: Size
    grey: bool
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)"""
        return (1 if self.grey else 3, *self.size)

    def decode(self, file: Path) -> Images:
        """One image [C, H, W]."""
        with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
            pixels = image.convert("L" if self.grey else "RGB")
        height, width = self.size
        if (pixels.height, pixels.width) != self.size:
            pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
        return np.moveaxis(np.asarray(pixels).reshape(height, width, -1), -1, 0)


def named(file: Path) -> bool:
    """Whether a file may be an image by its name: the suffix of a format that Pillow reads, or none."""
    return file.suffix.lower() in _suffixes()


@cache
def _suffixes() -> frozenset[str]:
    formats = Image.registered_extensions()  # loads Pillow's readers
    readable = {suffix for suffix, name in formats.items() if name in Image.OPEN and name not in WITHOUT_PIXELS}
    return frozenset(readable | {""})


def header(file: Path) -> Header:
    """Size and kind of one image."""
    with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
        if image.mode in DEEP:
            raise ValueError(f"its mode is {image.mode}")
        return Header((image.height, image.width), image.mode in GREY)


def plan(headers: dict[Path, Header], treatment: Treatment) -> Plan:
    """Grey where all are; the size asked for, else the one that all share."""
    treatment.no_window("images")
    if treatment.size is not None and len(treatment.size) != 2:
        raise WrongInput(f"--size {numbers(treatment.size)}: images have two axes. For example: --size 32 32.")
    target = treatment.size or _common_size(headers)
    grey = all(header.grey for header in headers.values())
    notes = [f"{'grey' if grey else 'colour'} images of {target[0]}x{target[1]} pixels"]
    if not grey and any(header.grey for header in headers.values()):
        notes.append("grey images among colour ones became colour")
    return Plan(target, grey, tuple(notes))


def _common_size(headers: dict[Path, Header]) -> Size:
    first: dict[Size, Path] = {}
    for file, each in headers.items():
        first.setdefault(each.size, file)
    if len(first) > 1:
        (a, file_a), (b, file_b), *_ = first.items()
        examples = f"{file_a} is {a[0]}x{a[1]} (height x width), {file_b} is {b[0]}x{b[1]}"
        raise WrongInput(f"{examples}: all images must share one size. `--size {a[0]} {a[1]}` resizes them.")
    return next(iter(first), (0, 0))
