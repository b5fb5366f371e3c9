"""CIFAR-10 and CIFAR-100 in both of their versions, as folders and as downloaded archives."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schwarz.data import read, read_meta
from schwarz.data.adding import build
from tests.unit.own_images import cut, left, refuse
from tests.unit.python2 import dumps

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
HUNDRED = [f"thing_{number:02d}" for number in range(100)]
X = np.random.default_rng(0).integers(0, 256, (600, 3072), dtype=np.uint8)
Y10, Y100 = np.arange(120) % 10, np.arange(600) % 100
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


def cifar10_python(root: Path) -> Path:
    """Five batches of 20 images and one of tests."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for k, name in enumerate([*BATCHES, "test_batch"]):
        rows = slice(20 * k, 20 * k + 20)
        names = [f"image_s_{number:06d}.png" for number in range(20)]
        batch = {"batch_label": f"batch {k}", "labels": Y10[rows].tolist(), "data": X[rows], "filenames": names}
        (folder / name).write_bytes(dumps(batch))
    (folder / "batches.meta").write_bytes(dumps({"num_cases_per_batch": 20, "label_names": TEN, "num_vis": 3072}))
    (folder / "readme.html").write_text("<meta>")
    return folder


def cifar10_binary(root: Path) -> Path:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    rows = np.concatenate([Y10[:, None].astype(np.uint8), X[:120]], axis=1)
    for k, name in enumerate([*BATCHES, "test_batch"]):
        (folder / f"{name}.bin").write_bytes(rows[20 * k : 20 * k + 20].tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    (folder / "readme.html").write_text("<meta>")
    return folder


def cifar100_python(root: Path) -> Path:
    """400 images to train on, 200 to test."""
    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, rows in (("train", slice(0, 400)), ("test", slice(400, 600))):
        fine, coarse = Y100[rows], Y100[rows] // 5
        labels = {"fine_labels": fine.tolist(), "coarse_labels": coarse.tolist()}
        (folder / name).write_bytes(
            dumps({"filenames": ["a.png"] * len(fine), "batch_label": "1", **labels, "data": X[rows]})
        )
    names = {"fine_label_names": HUNDRED, "coarse_label_names": HUNDRED[:20]}
    (folder / "meta").write_bytes(dumps(names))
    (folder / "file.txt~").write_text("as in the archive")
    return folder


def cifar100_binary(root: Path) -> Path:
    folder = root / "cifar-100-binary"
    folder.mkdir()
    rows = np.concatenate([np.stack([Y100 // 5, Y100], axis=1).astype(np.uint8), X], axis=1)
    (folder / "train.bin").write_bytes(rows[:400].tobytes())
    (folder / "test.bin").write_bytes(rows[400:].tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(HUNDRED) + "\n")
    (folder / "coarse_label_names.txt").write_text("\n".join(HUNDRED[:20]) + "\n")
    return folder


EDITIONS = [cifar10_python, cifar10_binary, cifar100_python, cifar100_binary]


@pytest.mark.parametrize("packed_up", [False, True])
@pytest.mark.parametrize("make", EDITIONS)
def test_every_edition_is_read_whole(tmp_path: Path, make: Callable[[Path], Path], packed_up: bool) -> None:
    path = make(tmp_path)
    if packed_up:
        archive = tmp_path / f"{path.name}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(path, path.name)
        path = archive
    packed = build(path, "mine", tmp_path)
    ten = "10-" in path.name
    labels, names, split = (Y10, TEN, 100) if ten else (Y100, HUNDRED, 400)
    meta = read_meta(packed.folder)
    assert (meta.classes, meta.shape, meta.train, meta.test) == (tuple(names), (3, 32, 32), split, len(labels) - split)
    assert meta.source.startswith(f"{path.name}: CIFAR-{'10,' if ten else '100,'}")
    parts = read(packed.folder, "train"), read(packed.folder, "test")
    x, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    np.testing.assert_array_equal(x, X[: len(labels)].reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(y, labels)
    assert left(tmp_path) == [f"datasets/mine{file}" for file in ("", "/meta.json", "/test-00.npz", "/train-00.npz")]


def test_both_versions_give_the_same_shards(tmp_path: Path) -> None:
    a, b = (build(make(tmp_path), make.__name__, tmp_path).folder for make in (cifar10_python, cifar10_binary))
    for file in ("train-00.npz", "test-00.npz"):
        assert (a / file).read_bytes() == (b / file).read_bytes()


def swap(**changes: object) -> Callable[[Path], object]:
    """data_batch_2 with something else in it."""
    batch = {"labels": Y10[:20].tolist(), "data": X[:20]}
    return lambda folder: (folder / "data_batch_2").write_bytes(dumps({**batch, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: (f / "data_batch_3").unlink(),
            r"data_batch_3: missing\. CIFAR-10, python version is data_b",
        ),
        (lambda f: cut(f / "data_batch_4"), r"data_batch_4: at opcode \w+, byte \d+: "),
        (lambda f: (f / "test_batch").write_bytes(b""), "test_batch: at opcode PROTO, byte 0"),
        (swap(labels=Y10[:19].tolist()), "data_batch_2: holds 20 images and 19 labels"),
        (swap(labels=(Y10[:20] + 1).tolist()), "data_batch_2: labels from 1 to 10, but batches.meta names 10 classes"),
        (swap(labels=(Y10[:20] - 1).tolist()), "data_batch_2: labels from -1 to 8"),
        (swap(labels=["cat"] * 20), "data_batch_2: labels are not all whole numbers"),
        (swap(labels=3), "data_batch_2: holds data .* and labels of type int"),
        (swap(data=X[:20, :3071]), r"data_batch_2: holds data \[20, 3071\] .* wanted: data \[n, 3072\]"),
        (swap(data="text"), "data_batch_2: holds data"),
        (
            swap(data=X[:19], labels=Y10[:19].tolist()),
            "data_batch_2: holds 19 images, data_batch_1 20: one ",
        ),
        (lambda f: (f / "data_batch_2").write_bytes(dumps({"a": 1})), "data_batch_2: holds no data"),
        (
            lambda f: (f / "batches.meta").write_bytes(dumps({"label_names": []})),
            "batches.meta: label_names: names no cl",
        ),
        (lambda f: (f / "batches.meta").write_bytes(dumps({})), "batches.meta: label_names: names no classes"),
        (
            lambda f: (f / "batches.meta").write_bytes(dumps({"label_names": TEN[:9]})),
            "data_batch_1: labels from 0 to 9",
        ),
    ],
)
def test_a_damaged_python_version_is_refused(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = cifar10_python(tmp_path)
    damage(folder)
    refuse(message, folder, tmp_path)


def test_a_batch_that_would_run_a_command_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    folder, mark = cifar10_python(tmp_path), tmp_path / "ran"
    command = f"touch {mark}".encode()
    (folder / "data_batch_5").write_bytes(b"\x80\x02cos\nsystem\nq\x01U" + bytes([len(command)]) + command + b"\x85R.")
    refuse("data_batch_5: at opcode GLOBAL, byte 2: asks for 'os system'", folder, tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: cut(f / "data_batch_4.bin"),
            r"data_batch_4.bin: 61430 bytes are no whole number of images",
        ),
        (lambda f: cut(f / "data_batch_4.bin", 3073), "data_batch_4.bin: holds 19 images, data_batch_1.bin 20"),
        (lambda f: (f / "test_batch.bin").write_bytes(b""), "test_batch.bin: 0 bytes"),
        (lambda f: (f / "test_batch.bin").write_bytes(b"\x0a" + bytes(3072)), "test_batch.bin: labels from 10 to 10"),
        (lambda f: (f / "batches.meta.txt").write_text(""), "batches.meta.txt: names no classes"),
        (lambda f: (f / "batches.meta.txt").unlink(), "batches.meta.txt: missing. CIFAR-10, binary version is"),
    ],
)
def test_a_damaged_binary_version_is_refused(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = cifar10_binary(tmp_path)
    damage(folder)
    refuse(message, folder, tmp_path)


def test_a_size_is_refused_since_pixels_are_taken_as_they_are(tmp_path: Path) -> None:
    refuse("--size 8 8: the images of CIFAR-100, binary version", cifar100_binary(tmp_path), tmp_path, size=(8, 8))
