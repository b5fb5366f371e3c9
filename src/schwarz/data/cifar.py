"""CIFAR-10 and CIFAR-100 as their page gives them: the python version (pickles of Python 2) and the binary version.

Images are 3x32x32, stored as rows of 3072 bytes, red first. CIFAR-100 is read with its 100 fine labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schwarz.data.collected import Collected, Treatment
from schwarz.data.packed import Images, Labels, Part
from schwarz.data.pickled import read_dict
from schwarz.errors import WrongInput

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
FIVE = tuple(f"data_batch_{number}" for number in range(1, 6))
Batch = tuple[Images, Labels]


@dataclass(frozen=True)
class Edition:
    """One of the four archives: the names of its files, and how one is read."""

    name: str
    train: tuple[str, ...]
    test: str
    names: str
    batch: Callable[[Path], Batch]
    classes: Callable[[Path], tuple[str, ...]]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is needed."""
        return (*self.train, self.test, self.names)


def fits(folder: Path) -> bool:
    """Whether two or more files of an edition are there."""
    return _present(folder, _edition(folder)) > 1


def collect(folder: Path, treatment: Treatment) -> Collected:
    """The images of the edition that `folder` holds most files of; it must hold all."""
    edition = _edition(folder)
    treatment.nothing_for(edition.name)
    missing = [file for file in edition.files if not (folder / file).is_file()]
    if missing:
        raise WrongInput(f"{folder / missing[0]}: missing. {edition.name} is {', '.join(edition.files)}.")
    classes = edition.classes(folder / edition.names)
    train = _joined([folder / file for file in edition.train], edition, len(classes))
    parts: dict[Part, tuple[Any, Labels]] = {
        "train": train,
        "test": _joined([folder / edition.test], edition, len(classes)),
    }
    return Collected(classes, SHAPE, parts, (edition.name,))


def _edition(folder: Path) -> Edition:
    return max(EDITIONS, key=lambda edition: _present(folder, edition))


def _present(folder: Path, edition: Edition) -> int:
    return sum((folder / file).is_file() for file in edition.files)


def _joined(files: list[Path], edition: Edition, classes: int) -> Batch:
    """The images and labels of some batches, one after the other."""
    batches = [edition.batch(file) for file in files]
    for file, (x, y) in zip(files, batches, strict=True):
        if len(x) != len(y):
            raise WrongInput(f"{file}: holds {len(x)} images and {len(y)} labels. Fetch the archive again.")
        if len(x) != len(batches[0][0]):
            counts = f"{len(x)} images, {files[0].name} {len(batches[0][0])}"
            raise WrongInput(f"{file}: holds {counts}: one of them is cut short. Fetch the archive again.")
        if len(y) and not 0 <= y.min() <= y.max() < classes:
            raise WrongInput(
                f"{file}: labels from {y.min()} to {y.max()}, but {edition.names} names {classes} classes."
            )
    x, y = zip(*batches, strict=True)
    return np.concatenate(x).reshape(-1, *SHAPE), np.concatenate(y)


def _pickled(key: str) -> Callable[[Path], Batch]:
    """How a batch of the python version is read whose labels stand under `key`."""

    def batch(file: Path) -> Batch:
        content = read_dict(file)
        x, y = content.get("data"), content.get(key)
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != PIXELS or not isinstance(y, list):
            found = f"data {list(np.shape(x))} and {key} of type {type(y).__name__}" if x is not None else "no data"
            raise WrongInput(f"{file}: holds {found}; wanted: data [n, {PIXELS}] and a list of {key}.")
        if not all(type(label) is int for label in y):
            raise WrongInput(f"{file}: {key} are not all whole numbers. Fetch the archive again.")
        return x, np.array(y, np.int64)

    return batch


def _records(labels: int) -> Callable[[Path], Batch]:
    """How a batch of the binary version is read whose images follow `labels` bytes, the last of which is meant."""

    def batch(file: Path) -> Batch:
        content = np.fromfile(file, np.uint8)
        if not len(content) or len(content) % (labels + PIXELS):
            message = f"{file}: {len(content)} bytes are no whole number of images ({labels} + {PIXELS} bytes each)"
            raise WrongInput(f"{message}. Fetch the archive again.")
        rows = content.reshape(-1, labels + PIXELS)
        return rows[:, labels:], rows[:, labels - 1].astype(np.int64)

    return batch


def _pickled_names(key: str) -> Callable[[Path], tuple[str, ...]]:
    def classes(file: Path) -> tuple[str, ...]:
        return _names(read_dict(file).get(key, ()), f"{file}: {key}")

    return classes


def _listed(file: Path) -> tuple[str, ...]:
    return _names(file.read_text(encoding="utf-8", errors="replace").split(), str(file))


def _names(names: Sequence[Any], where: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise WrongInput(f"{where}: names no classes. Fetch the archive again.")
    return tuple(names)


EDITIONS = (
    Edition("CIFAR-10, python version", FIVE, "test_batch", "batches.meta",
            _pickled("labels"), _pickled_names("label_names")),
    Edition("CIFAR-100, python version, fine labels", ("train",), "test", "meta",
            _pickled("fine_labels"), _pickled_names("fine_label_names")),
    Edition("CIFAR-10, binary version", tuple(f"{name}.bin" for name in FIVE), "test_batch.bin", "batches.meta.txt",
            _records(1), _listed),
    Edition("CIFAR-100, binary version, fine labels", ("train.bin",), "test.bin", "fine_label_names.txt",
            _records(2), _listed),
)  # fmt: skip
