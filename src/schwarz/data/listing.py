"""Files of images or volumes with their classes, as the layouts of folders list them; decoded when they are packed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from schwarz.data import images, nifti
from schwarz.data.collected import Collected, Treatment
from schwarz.data.packed import Images, Part
from schwarz.errors import WrongInput

PASSED_OVER = (".", "__MACOSX")  # hidden files, and what macOS adds to a .zip


@dataclass(frozen=True)
class Listing:
    """The files of each part with their classes, in the order in which they are packed."""

    classes: tuple[str, ...]
    parts: dict[Part, list[tuple[Path, int]]]
    notes: tuple[str, ...] = ()


class Plan(Protocol):
    """How the files of one set are decoded, settled from their headers: all to one shape."""

    shape: tuple[int, ...]
    notes: tuple[str, ...]

    def decode(self, file: Path) -> Images:
        """One image [C, *spatial]; one of `UNDECODABLE` where it is no whole one."""
        ...


@dataclass
class Bad:
    """The files that do not decode: up to `allowed` are left out, one more is an error."""

    allowed: int
    wanted: str  # what a file should be
    files: dict[Path, str] = field(default_factory=dict)

    def add(self, file: Path, fault: Exception) -> None:
        """Leave a file out, or refuse it."""
        self.files[file] = str(fault)
        if len(self.files) > self.allowed:
            others = f" {self.allowed} before it were left out." if self.allowed else ""
            remedy = f"Mend or remove it, or leave out up to N such files: --skip-bad N (N > {self.allowed})"
            raise WrongInput(f"{file}: does not decode as {self.wanted} ({fault}).{others} {remedy}.")

    def tried(self, files: list[Path], do: Callable[[Path], Any]) -> Iterator[tuple[Path, Any]]:
        """(file, `do(file)`) for those where it works."""
        for file in files:
            try:
                yield file, do(file)
            except (*images.UNDECODABLE, *nifti.UNDECODABLE) as fault:
                self.add(file, fault)


@dataclass(frozen=True)
class Decoded:
    """Files as the images they hold, each decoded when it is asked for."""

    files: tuple[Path, ...]
    plan: Plan
    bad: Bad

    def __getitem__(self, rows: Any, /) -> Images:
        chosen = [self.files[row] for row in np.arange(len(self.files))[rows]]
        x = np.empty((len(chosen), *self.plan.shape), np.uint8)
        for number, (_, image) in enumerate(self.bad.tried(chosen, self.plan.decode)):
            x[number] = image
        return x


def collect(listing: Listing, treatment: Treatment) -> Collected:
    """The files of a listing, brought to one size.

    Where bad ones may be left out, each file is decoded twice: the number of images is known before any is packed.
    """
    files = [file for part in listing.parts.values() for file, _ in part]
    kind = _kind(files)
    bad = Bad(treatment.skip_bad, kind.WANTED)
    headers = dict(bad.tried(files, kind.header))
    plan = kind.plan(headers, treatment)
    if treatment.skip_bad:
        for _ in bad.tried(list(headers), plan.decode):
            pass
    parts = {}
    for part, listed in listing.parts.items():
        good = [(file, label) for file, label in listed if file not in bad.files]
        labels = np.array([label for _, label in good], np.int64)
        parts[part] = (Decoded(tuple(file for file, _ in good), plan, Bad(0, kind.WANTED)), labels)
    skipped = tuple(f"{file}: {fault}" for file, fault in bad.files.items())
    return Collected(listing.classes, plan.shape, parts, (*plan.notes, *listing.notes), skipped)


def _kind(files: list[Path]) -> Any:
    """The module that decodes these files: all images, or all volumes."""
    volumes = [nifti.is_volume(file) for file in files]
    if any(volumes) and not all(volumes):
        volume, other = files[volumes.index(True)], files[volumes.index(False)]
        raise WrongInput(f"{volume} is a volume, {other} is none. Keep one kind of them.")
    return nifti if any(volumes) else images


def holds_images(folder: Path) -> bool:
    """Whether a file of a folder is an image or a volume by its name."""
    return any(images.named(file) or nifti.is_volume(file) for file in visible(folder))


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, but for hidden ones, in alphabetical order."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(PASSED_OVER))


def visible(folder: Path) -> list[Path]:
    """The files in a folder, but for hidden ones, in alphabetical order."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(PASSED_OVER))
