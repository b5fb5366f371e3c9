"""`partition`: the boxes as a table, as JSON and as a picture; what cannot be drawn is refused before anything is."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schwarz.data import Meta, pack
from schwarz.report.boxes import FEW
from schwarz.storage import track

MINE = "[partition]\nboxes = [[[0, 16], [0, 32]], [[12, 32], [4, 28]]]\n"


@pytest.fixture
def ready(checkout: Path, sample: Path) -> Path:
    """A checkout with the sample's images."""
    (checkout / "data").symlink_to(sample)
    return checkout


@pytest.fixture
def volumes(checkout: Path) -> Path:
    """A checkout with the set `volumes`: twelve volumes of 12x16x20 voxels, class a black, class b grey."""
    (checkout / ".dvc").mkdir()
    (checkout / ".dvc" / "config").write_text("[core]\nno_scm = true\nanalytics = false\n")
    folder = checkout / "datasets" / "volumes"
    folder.mkdir(parents=True)
    y = np.arange(12) % 2
    x = np.broadcast_to((200 * y).astype(np.uint8)[:, None, None, None, None], (12, 1, 12, 16, 20))
    meta = Meta("volumes", ("a", "b"), (1, 12, 16, 20), 12, 12, "none", "made for a test")
    pack(folder, meta, {"train": (x, y), "test": (x, y)})
    track(checkout, "volumes")
    return checkout


def test_the_table_names_every_box_with_its_size_and_share(checkout: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("partition", "tiny", "--partition.overlap", 4)
    assert told.status == 0
    rows = [line.split() for line in told.out.splitlines()]
    assert rows[1] == ["box", "axis", "0", "axis", "1", "size", "share"]
    assert rows[3] == ["1", "0:20", "12:32", "20x20", "39.1%"]
    assert "4 boxes on 32x32 pixels: 43.8% of its pixels lie in several boxes, at most 4" in told.out
    assert "complete (each pixel in exactly one box): no; covers (each in some box): yes" in told.out
    assert "multiples of 8, the stride of vgg9: no, box 1 at 12 on axis 1, box 2 at 12 on axis 0, box 3" in told.out


def test_a_complete_and_aligned_partition_is_said_to_be_so(checkout: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("partition", "quickstart")
    assert "4 boxes on 32x32 pixels: no two boxes overlap" in told.out
    assert "complete (each pixel in exactly one box): yes; covers (each in some box): yes" in told.out
    assert "starts are multiples of 8, the stride of vgg9: yes" in told.out


def test_json_holds_the_same_for_boxes_of_a_file(checkout: Path, schwarz: Callable[..., Any]) -> None:
    (checkout / "mine.toml").write_text(MINE)
    told = schwarz("partition", "tiny", "--config", "mine.toml", "--json")
    facts = json.loads(told.out)
    assert facts == json.loads(
        schwarz("partition", "tiny", "--partition.boxes", "0:16,0:32", "12:32,4:28", "--json").out
    )
    assert facts["shape"] == [32, 32]
    assert facts["boxes"][1] == {"box": 1, "spans": [[12, 32], [4, 28]], "size": [20, 24], "share": 480 / 1024}
    assert facts["overlap"] == 4 * 24 / 1024
    assert (facts["most"], facts["complete"], facts["covers"], facts["picture"]) == (2, False, False, None)
    assert facts["stride"] == 8
    assert facts["misaligned"] == [{"box": 1, "axis": 0, "start": 12}, {"box": 1, "axis": 1, "start": 4}]


def test_without_a_picture_the_images_need_not_be_there(checkout: Path, schwarz: Callable[..., Any]) -> None:
    assert not (checkout / "data").exists()
    assert (
        schwarz("partition", "tiny", "--partition.grid", 4, 4).status == 0
    )  # more boxes than tiny's network can share


def test_the_picture_is_written_and_named(ready: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("partition", "tiny", "--partition.overlap", 4, "-o", "boxes.png")
    assert told.status == 0, told.err
    assert told.out.splitlines()[-1] == f"picture {ready / 'boxes.png'}"
    assert "3   12:32   12:32" in told.out
    with Image.open(ready / "boxes.png") as picture:
        assert picture.format == "PNG"
        assert 800 < picture.width < 1600
    first = (ready / "boxes.png").read_bytes()
    assert json.loads(schwarz("partition", "tiny", "--partition.overlap", 4, "-o", "boxes.png", "--json").out)[
        "picture"
    ] == str(ready / "boxes.png")
    assert (ready / "boxes.png").read_bytes() == first


def test_volumes_are_cut_along_three_axes(volumes: Path, schwarz: Callable[..., Any]) -> None:
    flags = ("--data.name", "volumes", "--data.pad", 0, "--partition.grid", 2, 2, 1, "--partition.overlap", 2)
    told = schwarz("partition", "tiny", *flags, "-o", "boxes.png")
    assert told.status == 0, told.err
    assert re.search(r"0 +0:8 +0:10 +0:20 +8x10x20", told.out)
    with Image.open(volumes / "boxes.png") as picture:
        colours = {colour for _, colour in picture.getcolors(10**6) or []}
        assert picture.height > 3 * 300 * 12 / 20  # the boxes alone and two volumes
    for grey in (0, 200):  # a volume of each class, in the tint of the first box, which one slice shows alone
        assert tuple(round(0.9 * grey + 0.1 * value) for value in FEW[0]) in colours


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "."], "is a folder. Name a file in it."),
        (["-o", "boxes.jpg"], "boxes.jpg: what is written is .png: end its name in that."),
        (["-o", "nowhere/boxes.png"], "its folder nowhere does not exist."),
        (["--partition.boxes", "0:33,0:4"], "box 0 spans 0:33 on axis 0 of 32 pixels: it must lie inside 0:32"),
        (["--partition.boxes", "0:4,4:4"], "box 0 has the span [4, 4]: give [start, stop] with 0 <= start < stop"),
        (["--partition.boxes", "0:4"], "partition.boxes cut 1 axes, the images of 'sample' have 2"),
        (["--partition.boxes", "0:4,0:4", "--partition.grid", "2", "2"], "grid [2, 2] and boxes exclude each other"),
        (["--partition.boxes", "0:4,0:x"], "--partition.boxes = 'x': input should be a valid integer"),
        (["--partition.boxes"], "--partition.boxes: its value is missing."),
        (["--partition.overlap", "17"], "overlap 17 reaches past the neighbouring box: at most 16"),
        (["--partition.overlap", "-1"], "--partition.overlap = '-1': input should be greater than or equal to 0"),
        (["--partition.overlap", "nan"], "--partition.overlap = 'nan': input should be a valid integer"),
        (["--partition.size", "40", "40"], "boxes of size 40 on an axis of 32: at most 32"),
        (["--partition.crop", "40", "40"], "crop [40, 40] is larger than the input [32, 32]"),
    ],
)
def test_what_cannot_be_is_refused_in_one_message(
    ready: Path, schwarz: Callable[..., Any], arguments: list[str], message: str
) -> None:
    before = sorted(ready.iterdir())
    told = schwarz("partition", "tiny", *arguments)
    assert told.status == 2
    assert message in told.last
    assert told.out == ""
    assert sorted(ready.iterdir()) == before


def test_a_place_that_takes_no_file_is_named(ready: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("partition", "tiny", "-o", "/proc/boxes.png")
    assert told.status == 2
    assert "/proc/boxes.png: cannot be written (" in told.last
    assert "Give a place that you may write to." in told.last
