"""Sets larger than memory: packed shard by shard as images are decoded, unpacked shard by shard to mapped files."""

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schwarz import data
from schwarz.data.adding import build
from schwarz.data.collected import Chosen, Treatment
from schwarz.data.formats import collect
from schwarz.errors import WrongInput
from tests.unit.own_images import cut, draw
from tests.unit.test_data_nifti import nifti

SHARD = 2**20
COUNT = 48


@contextmanager
def peak() -> Iterator[list[int]]:
    """The most bytes that the block held at once, in a list once it is done."""
    measured: list[int] = []
    tracemalloc.start()
    try:
        yield measured
        measured.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def folders(root: Path) -> Path:
    for number in range(COUNT):
        file = root / "photos" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((400, 400, 3), number, np.uint8)).save(file)
    return root / "photos"


def food(root: Path) -> Path:
    (root / "food/meta").mkdir(parents=True)
    folders(root).rename(root / "food/images")
    for file in (root / "food/images").rglob("*.png"):
        Image.open(file).save(file.with_suffix(".jpg"))
        file.unlink()
    lines = [f"{'ab'[number % 2]}/{number}" for number in range(COUNT)]
    (root / "food/meta/train.txt").write_text("\n".join(lines[:-2]))
    (root / "food/meta/test.txt").write_text("\n".join(lines[-2:]))
    return root / "food"


def volumes(root: Path) -> Path:
    for number in range(COUNT):
        file = root / "scans" / "ab"[number % 2] / f"{number}.nii.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(nifti(np.full((80, 80, 64), number, np.int16)), 1))
    return root / "scans"


@pytest.mark.parametrize("make", [folders, food, volumes])
def test_packing_and_unpacking_hold_a_few_shards_however_large_the_set(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path, folder = make(tmp_path), tmp_path / "packed"
    folder.mkdir()
    with peak() as bytes_held:
        found = collect(path, Treatment(), tmp_path)
        x, y = found.parts["train"]
        chosen = np.arange(len(y))[::-1]
        meta = data.Meta("set", found.classes, found.shape, len(y), 0, "none", "made here")
        data.pack(folder, meta, {"train": (Chosen(x, chosen), y[chosen])}, SHARD)
    total = len(y) * int(np.prod(found.shape))
    assert len(list(folder.glob("train-*.npz"))) > 20
    assert bytes_held[0] < 8 * SHARD < total / 2
    with peak() as bytes_held:
        data.unpack(folder, "train", tmp_path / "laid out")
    assert bytes_held[0] < 4 * SHARD
    mapped = np.load(tmp_path / "laid out/x.npy", mmap_mode="r")
    assert mapped.shape == (len(y), *found.shape)
    np.testing.assert_array_equal(np.load(tmp_path / "laid out/y.npy"), y[::-1])
    np.testing.assert_array_equal(mapped[:, 0, 0, 0], np.concatenate([x[row : row + 1] for row in chosen])[:, 0, 0, 0])


def test_reading_a_set_at_once_holds_all_of_it(tmp_path: Path) -> None:
    """What the measure above would say of code that does not stream."""
    folder = build(folders(tmp_path), "mine", tmp_path).folder
    with peak() as bytes_held:
        x, _ = data.read(folder, "train")
    assert bytes_held[0] > x.nbytes


def test_each_file_is_decoded_once_and_twice_where_bad_ones_may_be_left_out(tmp_path: Path, monkeypatch) -> None:
    for number in range(10):
        draw(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", seed=number)
    opened: list[str] = []
    convert = Image.Image.convert  # what decodes the pixels
    monkeypatch.setattr(  # counts, and decodes as before
        Image.Image, "convert", lambda image, *rest: opened.append(image.filename) or convert(image, *rest)
    )
    build(tmp_path / "photos", "mine", tmp_path)
    assert len(opened) == len(set(opened)) == 10
    opened.clear()
    cut(tmp_path / "photos/a/0.png")
    packed = build(tmp_path / "photos", "again", tmp_path, skip_bad=1)
    assert len(packed.skipped) == 1
    assert len(opened) == 10 + 9


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """30 training volumes in three shards, 5 test volumes."""
    folder = tmp_path / "set"
    folder.mkdir()
    x = np.random.default_rng(0).integers(0, 256, (35, 1, 4, 5, 6), dtype=np.uint8)
    y = np.arange(35) % 2
    meta = data.Meta("set", ("a", "b"), (1, 4, 5, 6), 30, 5, "none", "made here")
    data.pack(folder, meta, {"train": (x[:30], y[:30]), "test": (x[30:], y[30:])}, 10 * 120)
    return folder


def test_what_is_unpacked_are_the_files_that_numpy_would_save(packed: Path, tmp_path: Path) -> None:
    data.unpack(packed, "train", tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["x.npy", "y.npy"]
    x, y = data.read(packed, "train")
    for name, array in (("x", x), ("y", y)):
        np.save(tmp_path / "expected.npy", array)
        assert (tmp_path / "out" / f"{name}.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [(Path.unlink, "hold 20 images, meta.json says 30"), (cut, "truncated or not a shard")],
)
def test_a_damaged_set_is_not_unpacked_at_all(packed: Path, tmp_path: Path, damage: Callable, message: str) -> None:
    damage(packed / "train-02.npz")
    with pytest.raises(WrongInput, match=message):
        data.unpack(packed, "train", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    data.unpack(packed, "test", tmp_path / "out")  # no file of the other part is opened
    assert np.load(tmp_path / "out/x.npy").shape == (5, 1, 4, 5, 6)


def test_statistics_of_volumes_are_those_of_all_voxels(packed: Path) -> None:
    x, _ = data.read(packed, "train")
    mean, std = data.channel_statistics(x)
    np.testing.assert_allclose((mean, std), ([x.mean() / 255], [x.std() / 255]))


def test_statistics_hold_a_few_megabytes_however_large_a_volume_is(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((200, 1, 64, 64, 64), 7, np.uint8))
    with peak() as bytes_held:
        mean, _ = data.channel_statistics(np.load(tmp_path / "x.npy", mmap_mode="r"))
    np.testing.assert_allclose(mean, [7 / 255])
    assert bytes_held[0] < 40 * 2**20  # 52 MB of voxels, counted as 8-byte numbers
