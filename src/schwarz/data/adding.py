"""Packing a person's own images as `datasets/NAME/`. `schwarz.storage.add` calls this and puts the result under DVC."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schwarz.data.collected import Chosen, Collected, Size, Treatment, Window
from schwarz.data.formats import collect
from schwarz.data.info import SAMPLE, dvc_file_of
from schwarz.data.packed import Labels, Meta, Part, Pixels, pack
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


def build(
    path: Path, name: str, root: Path, *, size: Size | None = None, window: Window | None = None, skip_bad: int = 0
) -> Packed:
    """Pack the images at `path` as the set `name`: whole, or nothing is written.

    `schwarz.data.formats` says what `path` can be, `Treatment` what is done to the images. Where no test images are
    told apart, a fifth of every class becomes the test part, always the same images.
    """
    folder, treatment = _new_folder(name, root), Treatment(size, window, skip_bad)
    if not path.exists():
        raise WrongInput(f"{path}: no such file or folder.{nearest_path(path)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
        unpacked, unfinished = Path(temporary) / "archive", Path(temporary) / name
        unpacked.mkdir()
        unfinished.mkdir()
        try:
            packed = _pack(path, unfinished, treatment, unpacked)
        except WrongInput as fault:  # the person knows the archive, not where it was unpacked
            raise WrongInput(str(fault).replace(str(unpacked), str(path))) from None
        unfinished.rename(folder)
    skipped = tuple(line.replace(str(unpacked), str(path)) for line in packed.skipped)
    return Packed(folder, packed.notes, skipped)


def _pack(path: Path, folder: Path, treatment: Treatment, scratch: Path) -> Packed:
    """Find the images and write their shards into `folder`."""
    found = collect(path, treatment, scratch)
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
    source = f"{path.name}: {'; '.join(notes)}; {len(found.skipped)} images left out"
    counts = {part: len(y) for part, (_, y) in parts.items()}
    pack(folder, Meta(folder.name, found.classes, found.shape, **counts, licence="not stated", source=source), parts)
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


def _enough(found: Collected, fewest: dict[Part, int], path: Path) -> None:
    """Refuse fewer than two classes, and any class with too few images in a part."""
    if len(found.classes) < 2:
        one = f"only the class {found.classes[0]!r}" if found.classes else "no class"
        raise WrongInput(f"{path}: holds {one}. Two classes or more are needed to tell anything apart.")
    for part, least in fewest.items():
        counts = np.bincount(found.parts[part][1], minlength=len(found.classes))
        if counts.min() < least:
            scarce = found.classes[int(counts.argmin())]
            kind = "volumes" if len(found.shape) == 4 else "images"
            message = f"{path}: class {scarce!r} has {counts.min()} {part} {kind}, at least {least} are needed"
            raise WrongInput(f"{message}. Add {kind} of it, or remove the class.")


def _set_aside(x: Pixels, y: Labels) -> dict[Part, tuple[Pixels, Labels]]:
    test = split_validation(y, TEST_SHARE, SEED)
    return {
        "train": (Chosen(x, np.flatnonzero(~test)), y[~test]),
        "test": (Chosen(x, np.flatnonzero(test)), y[test]),
    }
