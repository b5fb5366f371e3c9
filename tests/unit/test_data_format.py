"""The packed format: the same bytes every time, parts apart, every fault named."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from schwarz import data
from schwarz.data.packed import archive
from schwarz.errors import WrongInput
from schwarz.shell import dvc

CLASSES = ("ant", "bee", "cat")
META = data.Meta("tiny", CLASSES, (1, 4, 5), 20, 7, "MIT", "made here")


def images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, *META.shape), dtype=np.uint8), (np.arange(count) % len(CLASSES)).astype(
        np.uint8
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tiny"
    made.mkdir()
    data.pack(made, META, {"train": images(20), "test": images(7, seed=1)}, shard_bytes=8 * 20)
    return made


def test_what_was_packed_is_read_in_order_from_several_shards(folder: Path) -> None:
    assert [file.name for file in sorted(folder.glob("*.npz"))] == [
        "test-00.npz",
        "train-00.npz",
        "train-01.npz",
        "train-02.npz",
    ]
    expected: list[tuple[data.Part, int, int]] = [("train", 20, 0), ("test", 7, 1)]
    for part, count, seed in expected:
        x, y = data.read(folder, part)
        assert (x.dtype, y.dtype) == (np.uint8, np.int64)
        np.testing.assert_array_equal(x, images(count, seed)[0])
        np.testing.assert_array_equal(y, images(count, seed)[1])
    assert data.read_meta(folder) == META


def test_packing_twice_gives_the_same_bytes_with_no_time_in_them(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    data.pack(again, META, {"train": images(20), "test": images(7, seed=1)}, shard_bytes=8 * 20)
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {f.name: f.read_bytes() for f in again.iterdir()}
    with np.load(folder / "train-00.npz", allow_pickle=False) as shard:  # plain numpy reads it too
        assert sorted(shard) == ["x", "y"]
        assert {entry.date_time for entry in shard.zip.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_part_is_read_without_a_file_of_the_other(folder: Path) -> None:
    for file in folder.glob("train-*"):
        file.unlink()
    assert len(data.read(folder, "test")[1]) == 7


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(bytes(content))


def shard(**arrays: np.ndarray):
    return lambda file: file.write_bytes(archive(arrays))


X, Y = images(7)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "truncated or not a shard"),
        (flip, "truncated or not a shard"),
        (Path.unlink, "hold 13 images, meta.json says 20: a shard is missing"),
        (lambda file: file.write_bytes(b""), "truncated or not a shard"),
        (shard(x=X), "no item named 'y.npy'"),
        (shard(x=X.astype(np.float32), y=Y), r"x float32 \[7, 1, 4, 5\]"),
        (shard(x=X[:, :, :3], y=Y), r"wanted|not x uint8"),
        (shard(x=X, y=Y[:-1]), r"y uint8 \[6\]"),
        (shard(x=X, y=Y + 1), "labels from 1 to 3, but there are 3 classes"),
        (shard(x=X, y=Y.astype(int) - 1), "labels from -1 to 1"),
        (shard(x=np.concatenate([X, X]), y=np.concatenate([Y, Y])), "hold 27 images, meta.json says 20"),
    ],
)
def test_a_damaged_shard_is_named_with_the_command_that_restores_it(folder: Path, damage, message: str) -> None:
    damage(folder / "train-01.npz")
    with pytest.raises(WrongInput, match=message) as caught:
        data.read(folder, "train")
    assert str(folder) in str(caught.value)
    assert f"`{dvc('pull', '--force', f'{folder}.dvc')}`" in str(caught.value)
    assert len(data.read(folder, "test")[1]) == 7


def test_pickled_objects_are_never_loaded(folder: Path) -> None:
    np.savez(folder / "test-00.npz", x=np.array([object()], dtype=object), y=np.zeros(1, int), allow_pickle=True)
    with pytest.raises(WrongInput, match="allow_pickle=False"):
        data.read(folder, "test")


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"classes": 3, "shape": []}'])
def test_a_damaged_description_is_named(folder: Path, content: str | None) -> None:
    file = folder / "meta.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(WrongInput, match=r"meta\.json") as caught:
        data.read(folder, "test")
    assert "dvc pull --force" in str(caught.value)


DVC_FILE = """outs:
- md5: 0123456789abcdef0123456789abcdef.dir
  path: {path}
meta: {{name: {name}, classes: [ant, bee], shape: [3, 8, 9], train: 5, test: 2, licence: MIT}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "data.dvc").write_text(DVC_FILE.format(path="data", name="sample"))
    (tmp_path / "datasets/flowers.dvc").write_text(DVC_FILE.format(path="flowers", name="flowers"))
    return tmp_path


def test_a_set_is_described_by_its_dvc_file_alone(root: Path) -> None:
    info = data.describe(root, "flowers")
    assert info == data.DataInfo(
        name="flowers",
        md5="0123456789abcdef0123456789abcdef.dir",
        shape=(3, 8, 9),
        classes=("ant", "bee"),
        train=5,
        test=2,
        folder=root / "datasets/flowers",
        dvc_file=root / "datasets/flowers.dvc",
    )
    assert data.describe(root, "sample").folder == root / "data"
    assert data.names(root) == ["sample", "flowers"]


def test_describing_imports_neither_numpy_nor_dvc(root: Path) -> None:
    code = f"""
import sys, pathlib, schwarz.data
schwarz.data.describe(pathlib.Path({str(root)!r}), "sample")
print([name for name in ("numpy", "dvc", "PIL", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_misspelt_set_is_answered_with_the_nearest(root: Path) -> None:
    with pytest.raises(WrongInput, match=r"no data set 'flower'.*Did you mean 'flowers'"):
        data.describe(root, "flower")
    with pytest.raises(WrongInput, match=r"no data set 'zebra'.*There are: sample, flowers"):
        data.describe(root, "zebra")


@pytest.mark.parametrize(
    "content",
    ["", "outs: [", "outs: []", "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  path: x\nmeta: {}", "meta: 3"],
)
def test_a_dvc_file_of_something_else_is_refused(root: Path, content: str) -> None:
    (root / "data.dvc").write_text(content)
    with pytest.raises(WrongInput, match=r"data\.dvc.*`git checkout"):
        data.describe(root, "sample")


def test_the_committed_sample_is_what_the_documentation_says() -> None:
    root = Path(__file__).parents[2]
    info = data.describe(root, "sample")
    assert (info.train, info.test, info.shape, len(info.classes)) == (12_000, 2_000, (1, 28, 28), 10)
    listing = root / "sample/files/md5" / info.md5[:2] / info.md5[2:]
    objects = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_text())}
    assert "LICENSE.txt" in objects
    files = [root / "sample/files/md5" / md5[:2] / md5[2:] for md5 in objects.values()]
    assert sum(file.stat().st_size for file in files) < 7 * 2**20
