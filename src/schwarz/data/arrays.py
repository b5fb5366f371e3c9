"""Images and volumes that a person brings as arrays in one .npz file."""

import zipfile
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schwarz.data.collected import Collected
from schwarz.data.packed import UNREADABLE, Images, Labels, Part, read_array
from schwarz.errors import WrongInput, nearest

MEMBERS = (
    "x_train, y_train, x_test, y_test; or train_images, train_labels, test_images, test_labels (MedMNIST); or x, y "
    "(and, if you like, classes: their names)"
)
NAMINGS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
LEFT_ASIDE = "val_images left aside: validation images are chosen from the training images"
CHANNELS = (1, 2, 3, 4)  # extents that can only be a channel axis
LAYOUTS = "[n, H, W], [n, H, W, C] or [n, C, H, W]; volumes: [n, D, H, W], [n, D, H, W, C] or [n, C, D, H, W]"


def from_npz(file: Path) -> Collected:
    """The images and labels of an .npz file."""
    members = _members(file)
    parts = _parts(members)
    for name in (name for pair in parts.values() for name in pair):
        if name not in members:
            found = ", ".join(members) or "nothing"
            raise WrongInput(
                f"{file}: holds no member {name!r}, but {found}. Wanted: {MEMBERS}.{nearest(name, members)}"
            )
    layout = _layout(members[parts["train"][0]], f"{file}: {parts['train'][0]}")
    arrays: dict[Part, tuple[Images, Labels]] = {
        part: (_images(members[x], layout, f"{file}: {x}"), _labels(members[y], len(members[x]), f"{file}: {y}"))
        for part, (x, y) in parts.items()
    }
    shapes = {x.shape[1:] for x, _ in arrays.values()}
    if len(shapes) > 1:
        raise WrongInput(f"{file}: its parts hold images of different shapes: {sorted(shapes)}.")
    given = list(members[parts["train"][0]].shape[1:])
    notes = (f"each {'volume' if 'D' in layout else 'image'} {given} is read as {layout}",)
    notes += (LEFT_ASIDE,) * ("val_images" in members)
    return Collected(_classes(members, arrays, file), shapes.pop(), arrays, notes)


def _parts(members: dict[str, NDArray[Any]]) -> dict[Part, tuple[str, str]]:
    """The names of images and labels of each part that there is."""
    for x, y in NAMINGS:
        if {x.format("train"), y.format("train")} <= members.keys():
            parts: list[Part] = ["train"]
            if {x.format("test"), y.format("test")} & members.keys():
                parts.append("test")
            return {part: (x.format(part), y.format(part)) for part in parts}
    return {"train": ("x", "y")}


def _members(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(file) as zipped:
            names = [name.removesuffix(".npy") for name in zipped.namelist()]
            return {name: read_array(zipped.read(f"{name}.npy")) for name in names}
    except UNREADABLE as fault:
        hint = " Save plain arrays: pickled objects are never loaded." if "allow_pickle" in str(fault) else ""
        raise WrongInput(f"{file}: not a whole .npz file of arrays ({fault}).{hint}") from None


def _layout(x: NDArray[Any], where: str) -> str:
    """'HW', 'HWC', 'CHW', 'DHW', 'DHWC' or 'CDHW': told by which outer axis is short enough to be channels."""
    if x.ndim == 3:
        return "HW"
    if x.ndim not in (4, 5):
        flat = _unflattened(x.shape[1], where.rpartition(" ")[2]) if x.ndim == 2 else ""
        raise WrongInput(f"{where} has shape {list(x.shape)}; wanted: {LAYOUTS}.{flat}")
    first, last = x.shape[1] in CHANNELS, x.shape[-1] in CHANNELS
    if x.ndim == 4 and not first and not last:
        return "DHW"
    if first == last:
        which = "both outer axes" if first else "no outer axis"
        plain = "[n, H, W, C]" if x.ndim == 4 else "[n, D, H, W, C]"
        message = f"{where} has shape {list(x.shape)}, where {which} can be the channels (1 to 4)"
        raise WrongInput(f"{message}. Save images of one to four channels, larger than 4 pixels, as {plain}.")
    spatial = "HW" if x.ndim == 4 else "DHW"
    return f"C{spatial}" if first else f"{spatial}C"


def _unflattened(pixels: int, name: str) -> str:
    """How rows of so many pixels become images or volumes: what a square, a cube and three squares may be; else ''."""
    square, cube, third = isqrt(pixels), round(pixels ** (1 / 3)), isqrt(pixels // 3)
    meant = {
        f"images of {square}x{square}": ((square, square), square**2),
        f"volumes of {cube}x{cube}x{cube}": ((cube,) * 3, cube**3),
        f"colour images of 3x{third}x{third}": ((3, third, third), 3 * third**2),
    }
    ways = [
        f"{what}: `{name}.reshape(-1, {', '.join(map(str, shape))})`"
        for what, (shape, product) in meant.items()
        if product == pixels and shape[-1] > 4  # shorter axes are taken for channels
    ]
    return f" Rows of {pixels} values may be {', or '.join(ways)}." if ways else ""


def _images(x: NDArray[Any], layout: str, where: str) -> Images:
    if x.dtype != np.uint8:
        span = f", from {x.min()} to {x.max()}" if x.size and x.dtype.kind in "iuf" else ""
        remedy = "(x * 255).round().astype('uint8')" if x.dtype.kind == "f" else "x.astype('uint8')"
        raise WrongInput(f"{where} is {x.dtype}{span}; wanted: uint8 from 0 to 255. For example: {remedy}.")
    if x.ndim != len(layout) + 1:
        raise WrongInput(f"{where} has shape {list(x.shape)}, but the training images are [n, {', '.join(layout)}].")
    if "C" not in layout:
        return x[:, None]
    return x if layout[0] == "C" else np.moveaxis(x, -1, 1)


def _labels(y: NDArray[Any], count: int, where: str) -> Labels:
    flat = y.reshape(-1) if y.ndim == 2 and y.shape[1] == 1 else y
    if flat.shape != (count,) or flat.dtype.kind not in "iu":
        found = f"{flat.dtype} {list(y.shape)}"
        raise WrongInput(f"{where} is {found}; wanted: one integer per image, [{count}], counted from 0.")
    return flat.astype(np.int64)


def _classes(members: dict[str, NDArray[Any]], parts: dict[Part, tuple[Images, Labels]], file: Path) -> tuple[str, ...]:
    """Names of the classes: the member `classes`, or the numbers that occur among the training labels."""
    labels = parts["train"][1]
    named = members.get("classes", np.arange(labels.max() + 1 if len(labels) else 0))
    for part, (_, y) in parts.items():
        outside = y[(y < 0) | (y >= len(named))]
        if len(outside):
            message = f"{file}: the {part} labels hold {outside[0]}, outside the {len(named)} classes"
            raise WrongInput(f"{message} 0 to {len(named) - 1}. Correct the labels, or name every class in `classes`.")
    return tuple(str(name) for name in named)
