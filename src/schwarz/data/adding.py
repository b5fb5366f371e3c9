"""Packing a person's own images as `datasets/NAME/`. `schwarz.storage.add` calls this and puts the result under DVC."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schwarz.data.arrays import Collected, from_npz
from schwarz.data.images import Size, from_folder
from schwarz.data.info import SAMPLE, dvc_file_of
from schwarz.data.packed import Images, Labels, Meta, Part, pack
from schwarz.data.selection import split_validation
from schwarz.errors import WrongInput, nearest_path
from schwarz.shell import dvc

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TEST_SHARE, SEED = 0.2, 0
FEWEST: dict[Part, int] = {"train": 2, "test": 1}  # of every class: one to learn from, one to validate on; one to test


@dataclass(frozen=True)
class Packed:
    """A set that was packed, and what a person should know of it."""

    folder: Path
    notes: tuple[str, ...]
    skipped: tuple[str, ...]


def build(path: Path, name: str, root: Path, size: Size | None = None, skip_bad: int = 0) -> Packed:
    """Pack the images at `path` as the set `name`: whole, or nothing is written.

    `path` is a folder CLASS/IMAGE, a folder {train,test}/CLASS/IMAGE, or an .npz file. Where no test images are told
    apart, a fifth of every class becomes the test part, always the same images. `size` (H, W) resizes the images of a
    folder; `skip_bad` of them may fail to decode and are left out.
    """
    folder = _new_folder(name, root)
    found = _collect(path, size, skip_bad)
    parts, notes = found.parts, found.notes
    if "test" not in parts:
        _enough(found, {"train": FEWEST["train"] + FEWEST["test"]}, path)
        parts = _set_aside(*parts["train"])
        notes = (
            *notes,
            f"no test images told apart: {TEST_SHARE:.0%} of every class, by seed {SEED}, are the test part",
        )
    else:
        _enough(found, FEWEST, path)
    x, y = parts["train"]
    source = f"{path.name}: {'; '.join(notes)}; {len(found.skipped)} images left out"
    meta = Meta(name, found.classes, x.shape[1:], len(y), len(parts["test"][1]), "not stated", source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
        unfinished = Path(temporary) / name
        unfinished.mkdir()
        pack(unfinished, meta, parts)
        unfinished.rename(folder)
    return Packed(folder, notes, found.skipped)


def _new_folder(name: str, root: Path) -> Path:
    if not NAME.fullmatch(name) or name == SAMPLE or name.endswith(".dvc"):
        rule = "letters, digits, '.', '_', '-', at most 64, a letter or digit first"
        raise WrongInput(f"--name {name!r}: not a name for a data set ({rule}; not 'sample', not ending in '.dvc').")
    dvc_file = dvc_file_of(root, name)
    folder = dvc_file.with_suffix("")
    for path in (dvc_file, folder):
        if path.exists():
            replace = f"`{dvc('remove', dvc_file)}; rm -r {folder}`" if dvc_file.exists() else f"`rm -r {folder}`"
            raise WrongInput(f"{path} exists. Choose another --name; or, to replace it, first: {replace}.")
    return folder


def _collect(path: Path, size: Size | None, skip_bad: int) -> Collected:
    if not path.exists():
        raise WrongInput(f"{path}: no such file or folder.{nearest_path(path)}")
    if size is not None and min(size) < 1:
        raise WrongInput(f"--size {size[0]} {size[1]}: height and width must be at least 1.")
    if path.is_dir():
        return from_folder(path, size, skip_bad)
    if path.suffix != ".npz":
        raise WrongInput(f"{path}: neither a folder of class folders of images nor an .npz file.")
    if size is not None:
        raise WrongInput(f"--size {size[0]} {size[1]}: the images of an .npz file are taken as they are.")
    return from_npz(path)


def _enough(found: Collected, fewest: dict[Part, int], path: Path) -> None:
    """Refuse fewer than two classes, and any class with too few images in a part."""
    if len(found.classes) < 2:
        one = f"only the class {found.classes[0]!r}" if found.classes else "no class"
        raise WrongInput(f"{path}: holds {one}. Two classes or more are needed to tell anything apart.")
    for part, least in fewest.items():
        counts = np.bincount(found.parts[part][1], minlength=len(found.classes))
        if counts.min() < least:
            scarce = found.classes[int(counts.argmin())]
            message = f"{path}: class {scarce!r} has {counts.min()} {part} images, at least {least} are needed"
            raise WrongInput(f"{message}. Add images of it, or remove the class.")


def _set_aside(x: Images, y: Labels) -> dict[Part, tuple[Images, Labels]]:
    test = split_validation(y, TEST_SHARE, SEED)
    return {"train": (x[~test], y[~test]), "test": (x[test], y[test])}
