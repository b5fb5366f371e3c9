"""IDX files as MNIST and Fashion-MNIST come: four, gzipped or not; damaged ones are refused by name."""

import gzip
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schwarz.data import read, read_meta
from schwarz.data.adding import build
from tests.unit.own_images import cut, refuse

X = np.random.default_rng(0).integers(0, 256, (60, 7, 5), dtype=np.uint8)
Y = (np.arange(60) % 10).astype(np.uint8)
PARTS = {"train": slice(0, 40), "t10k": slice(40, 60)}


def idx(array: np.ndarray) -> bytes:
    """The magic number, the extents, big endian, and the bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    folder = tmp_path / "mnist"
    folder.mkdir()
    for stem, rows in PARTS.items():
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx(X[rows]))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx(Y[rows]))
    return folder


def zip_up(folder: Path) -> None:
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


def point(folder: Path) -> None:
    for file in list(folder.iterdir()):
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))


@pytest.mark.parametrize("change", [lambda folder: None, zip_up, point])
def test_four_files_are_the_two_parts(mnist: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    change(mnist)
    packed = build(mnist, "mine", tmp_path)
    meta = read_meta(packed.folder)
    assert (meta.shape, meta.classes, meta.train, meta.test) == ((1, 7, 5), tuple("0123456789"), 40, 20)
    assert packed.notes == ("IDX files",)
    for part, rows in zip(("train", "test"), PARTS.values(), strict=True):
        x, y = read(packed.folder, part)
        np.testing.assert_array_equal(x[:, 0], X[rows])
        np.testing.assert_array_equal(y, Y[rows])


def test_the_four_files_in_a_zip_below_folders_are_found(mnist: Path, tmp_path: Path) -> None:
    zip_up(mnist)
    with zipfile.ZipFile(tmp_path / "mnist.zip", "w") as zipped:
        for file in mnist.iterdir():
            zipped.write(file, f"MNIST/raw/{file.name}")
            zipped.writestr(f"__MACOSX/MNIST/raw/._{file.name}", b"what macOS adds")
    assert read_meta(build(tmp_path / "mnist.zip", "mine", tmp_path).folder).train == 40


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def put(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / LABELS).unlink(), f"mnist/{LABELS}: missing, with and without .gz"),
        (
            lambda f: cut(f / IMAGES, 1),
            rf"{IMAGES}: not a whole IDX file .*fewer bytes than its \[40, 7, 5\]",
        ),
        (put(IMAGES, idx(X[:40]) + b"x"), "more bytes than its"),
        (put(IMAGES, b""), r"begins with , not with 00 00 08 03"),
        (put(IMAGES, b"\0\0"), r"begins with 00 00, not"),
        (put(IMAGES, b"\0\0\x08\x03\0\0"), "not a whole IDX file"),
        (put(IMAGES, idx(Y)), "begins with 00 00 08 01, not with 00 00 08 03"),
        (put(IMAGES, b"\0\0\x0d" + idx(X[:40])[3:]), "begins with 00 00 0d 03"),
        (put(IMAGES, b"\0\0\x08\x03" + b"\xff" * 12), "promised by a file of 16"),
        (put(LABELS, idx(Y[:39])), "mnist: 40 train images, but 39 labels"),
        (put(IMAGES, idx(X[:40, :6])), r"train and t10k hold images of \(6, 5\) and \(7, 5\)"),
        (put(LABELS, idx(Y[:40] % 9)), "class '9' has 0 train images"),
        (put(f"{IMAGES}.gz", b"no gzip"), r"ubyte\.gz: not a whole IDX file .*gzip"),
        (put(f"{IMAGES}.gz", gzip.compress(idx(X[:40]))[:-20]), r"ubyte\.gz: not a whole IDX file"),
        (put(f"{IMAGES}.gz", gzip.compress(b"\0\0\x08\x03" + b"\x7f" * 12)), "are promised by a file of"),
    ],
)
def test_a_damaged_set_is_refused(mnist: Path, tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(mnist)
    refuse(message, mnist, tmp_path)
