"""A folder of class folders of image files, read by Pillow."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from schwarz.data.arrays import Collected
from schwarz.data.packed import Images, Labels, Part
from schwarz.errors import WrongInput

Size = tuple[int, int]  # height, width
GREY = ("1", "L", "LA")
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # more than eight bits a channel
VALIDATION = {"val", "valid", "validation"}
# All that Pillow raises on a file that is no image, or no whole one.
UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


@dataclass
class Bad:
    """The images that do not decode: up to `allowed` are left out, one more is an error."""

    allowed: int
    files: dict[Path, str] = field(default_factory=dict)

    def add(self, file: Path, fault: Exception) -> None:
        self.files[file] = str(fault)
        if len(self.files) > self.allowed:
            others = f" {self.allowed} before it were left out." if self.allowed else ""
            remedy = f"Mend or remove it, or leave out up to N such images: --skip-bad N (N > {self.allowed})"
            raise WrongInput(f"{file}: does not decode as an image of 8 bits a channel ({fault}).{others} {remedy}.")


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before its pixels are decoded."""

    size: Size
    grey: bool


def from_folder(folder: Path, size: Size | None, skip_bad: int) -> Collected:
    """Every image of every class folder, brought to `size` if given, else all of one size."""
    layout = _layout(folder)
    classes = tuple(layout["train"])
    strange = [name for name in layout.get("test", {}) if name not in classes]
    if strange:
        raise WrongInput(f"{folder / 'test' / strange[0]}: a class without a folder in {folder / 'train'}.")
    bad = Bad(skip_bad)
    headers = _headers([file for of_class in layout.values() for files in of_class.values() for file in files], bad)
    target = size or _common_size(headers)
    grey = all(header.grey for header in headers.values())
    parts: dict[Part, tuple[Images, Labels]] = {}
    for part, of_class in layout.items():
        named = [(file, classes.index(name)) for name, files in of_class.items() for file in files if file in headers]
        parts[part] = _decode(named, target, grey, bad)
    notes = [f"{'grey' if grey else 'colour'} images of {target[0]}x{target[1]} pixels"]
    if not grey and any(header.grey for header in headers.values()):
        notes.append("grey images among colour ones became colour")
    skipped = tuple(f"{file}: {fault}" for file, fault in bad.files.items())
    return Collected(classes, parts, tuple(notes), skipped)


def _layout(folder: Path) -> dict[Part, dict[str, list[Path]]]:
    """Part -> class -> its files, everything in alphabetical order."""
    found = {path.name for path in _folders(folder)}
    if "train" in found and found <= {"train", "test"} | VALIDATION:
        if found & VALIDATION:
            extra = folder / min(found & VALIDATION)
            message = f"{extra}: validation images are chosen from the training images (data.validation)"
            raise WrongInput(f"{message}. Move its images into {folder / 'train'}, or the folder elsewhere.")
        parts: list[Part] = ["train", "test"] if "test" in found else ["train"]
        return {part: _class_files(folder / part) for part in parts}
    return {"train": _class_files(folder)}


def _class_files(folder: Path) -> dict[str, list[Path]]:
    classes = _folders(folder)
    if not classes:
        raise WrongInput(f"{folder}: holds no class folders. Wanted: {folder}/CLASS/IMAGE for every image.")
    for path in classes:
        if _folders(path):
            hint = f" Did you mean {str(path)!r}?" if len(classes) == 1 else ""
            message = f"{path}: a class folder that holds folders, like {_folders(path)[0].name}"
            raise WrongInput(f"{message}. Put its images directly into it.{hint}")
        if not _visible(path):
            raise WrongInput(f"{path}: a class folder without images. Remove it, or put images into it.")
    return {path.name: _visible(path) for path in classes}


def _headers(files: list[Path], bad: Bad) -> dict[Path, Header]:
    headers = {}
    for file in files:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
                if image.mode in DEEP:
                    bad.add(file, ValueError(f"its mode is {image.mode}"))
                else:
                    headers[file] = Header((image.height, image.width), image.mode in GREY)
        except UNDECODABLE as fault:
            bad.add(file, fault)
    return headers


def _common_size(headers: dict[Path, Header]) -> Size:
    first: dict[Size, Path] = {}
    for file, header in headers.items():
        first.setdefault(header.size, file)
    if len(first) > 1:
        (a, file_a), (b, file_b), *_ = first.items()
        examples = f"{file_a} is {a[0]}x{a[1]} (height x width), {file_b} is {b[0]}x{b[1]}"
        raise WrongInput(f"{examples}: all images must share one size. `--size {a[0]} {a[1]}` resizes them.")
    return next(iter(first), (0, 0))


def _decode(named: list[tuple[Path, int]], size: Size, grey: bool, bad: Bad) -> tuple[Images, Labels]:
    height, width = size
    x = np.empty((len(named), height, width, 1 if grey else 3), np.uint8)
    y, count = np.empty(len(named), np.int64), 0
    for file, label in named:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
                pixels = image.convert("L" if grey else "RGB")
        except UNDECODABLE as fault:
            bad.add(file, fault)
            continue
        if (pixels.height, pixels.width) != size:
            pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
        x[count], y[count] = np.asarray(pixels).reshape(height, width, -1), label
        count += 1
    return np.ascontiguousarray(np.moveaxis(x[:count], -1, 1)), y[:count]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
