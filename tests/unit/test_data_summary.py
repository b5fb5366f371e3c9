"""`show` counts, `contact_sheet` draws."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schwarz import data
from schwarz.errors import WrongInput

SHAPES = [(1, 6, 5), (2, 6, 5), (3, 90, 120), (4, 8, 8), (1, 4, 6, 5), (1, 90, 120, 64), (3, 8, 8, 8)]


def made(tmp_path: Path, shape: tuple[int, ...]) -> data.DataInfo:
    """Three classes, 12, 3 and 3 training images; class k is painted 80 * k."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    y = np.repeat([0, 1, 2], [12, 3, 3])
    x = np.broadcast_to((80 * y).astype(np.uint8).reshape(18, *[1] * len(shape)), (18, *shape))
    meta = data.Meta("tiny", ("ant", "bee", "a much longer name"), shape, 18, 6, "MIT", "made here")
    data.pack(folder, meta, {"train": (x, y), "test": (x[-6:], y[-6:])})
    return data.DataInfo("tiny", "0" * 32 + ".dir", shape, meta.classes, 18, 6, folder, tmp_path / "tiny.dvc")


def test_show_counts_every_class_in_both_parts(tmp_path: Path) -> None:
    info = made(tmp_path, (1, 6, 5))
    summary = data.show(info)
    assert summary.counts == {
        "ant": {"train": 12, "test": 0},
        "bee": {"train": 3, "test": 3},
        "a much longer name": {"train": 3, "test": 3},
    }
    assert (summary.train, summary.test, summary.md5, summary.licence) == (18, 6, info.md5, "MIT")
    assert summary.size_bytes == sum(file.stat().st_size for file in info.folder.iterdir())
    assert json.loads(json.dumps(asdict(summary)))["shape"] == [1, 6, 5]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_contact_sheet_has_a_row_of_images_and_a_name_per_class(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data.contact_sheet(made(tmp_path, shape), tmp_path / "out/sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "out/sheet.png").convert("L")).astype(int)
    rows = np.array_split(sheet, 3)
    for k, row in enumerate(rows):
        names, images = row[:, : row.shape[1] - 600], row[:, row.shape[1] - 600 :]
        assert (names < 128).sum() > 20  # letters
        painted = (np.abs(images - 80 * k) < 2).sum()
        assert painted > 1500 * min(10, (12, 3, 3)[k]) * sorted(shape[1:])[-2] / max(shape)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_of_a_volume_the_middle_slice_across_its_shortest_axis_is_drawn(tmp_path: Path, axis: int) -> None:
    shape = [8, 8, 8]
    shape[axis] = 5
    x = np.zeros((4, 1, *shape), np.uint8)
    np.moveaxis(x, 2 + axis, 0)[2] = 200  # one bright slice
    folder = tmp_path / "tiny"
    folder.mkdir()
    meta = data.Meta("tiny", ("a", "b"), (1, *shape), 4, 2, "MIT", "made here")
    y = np.arange(4) % 2
    data.pack(folder, meta, {"train": (x, y), "test": (x[:2], y[:2])})
    info = data.DataInfo("tiny", "0" * 32 + ".dir", meta.shape, meta.classes, 4, 2, folder, tmp_path / "tiny.dvc")
    data.contact_sheet(info, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L")).astype(int)
    assert (np.abs(sheet - 200) < 2).sum() >= 4 * 56 * 56
    assert not (sheet[:, -600:] == 0).any()


def test_a_contact_sheet_that_cannot_be_drawn_leaves_no_file(tmp_path: Path) -> None:
    info = made(tmp_path, (1, 6, 5))
    (info.folder / "train-00.npz").write_bytes(b"")
    with pytest.raises(WrongInput, match="train-00"):
        data.contact_sheet(info, tmp_path / "sheet.png")
    assert not list(tmp_path.glob("*.png"))
