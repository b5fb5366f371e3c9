"""The picture of a partition: what is where, in which colour; numbers that can be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schwarz.partition import Box, Partition
from schwarz.report.boxes import (
    FEW,
    IMAGE_PX,
    SCHEME_PX,
    SLICE_PX,
    VEIL,
    Label,
    View,
    colour,
    draw,
    labels,
    panel,
    planes,
)

SIDES = (SCHEME_PX, IMAGE_PX, SLICE_PX)
GREY = np.full((32, 32, 3), 100, np.uint8)


def whole(partition: Partition) -> View:
    (view,) = planes(partition)
    return view


def at(partition: Partition, row: float, column: float, picture: np.ndarray | None = None) -> np.ndarray:
    """The colour of a point of a panel of 640 pixels, given in pixels of the image."""
    drawn = np.asarray(panel(whole(partition), picture, SCHEME_PX)).astype(int)
    scale = SCHEME_PX / max(partition.shape)
    return drawn[int(row * scale), int(column * scale)]


def tinted(ground: tuple[int, ...], tint: float, *numbers: int) -> np.ndarray:
    mixed = np.array(ground, float)
    for number in numbers:
        mixed = (1 - tint) * mixed + tint * np.array(colour(number))
    return np.rint(mixed)


def test_neighbours_outlines_lie_side_by_side_each_in_its_colour() -> None:
    partition = Partition.grid((32, 32), (2, 2))
    assert tuple(at(partition, 4, 15.95)) == FEW[0]
    assert tuple(at(partition, 4, 16.05)) == FEW[1]
    assert tuple(at(partition, 16.05, 4)) == FEW[2]


def test_what_lies_in_several_boxes_is_tinted_by_each() -> None:
    partition = Partition.grid((32, 32), (2, 2), overlap=4)
    assert (at(partition, 2, 2) == tinted((255, 255, 255), 0.26, 0)).all()
    assert (at(partition, 2, 14) == tinted((255, 255, 255), 0.26, 0, 1)).all()
    assert (at(partition, 14, 14) == tinted((255, 255, 255), 0.26, 0, 1, 2, 3)).all()
    assert (at(partition, 2, 14, GREY) == tinted((100, 100, 100), 0.1, 0, 1)).all()


def test_what_lies_in_no_box_is_veiled() -> None:
    partition = Partition.grid((32, 32), (2, 2), crop=(24, 24))
    assert (at(partition, 3.5, 20) == np.rint(0.25 * 255 + 0.75 * np.array(VEIL))).all()
    assert (at(partition, 30, 30, GREY) == np.rint(0.25 * 100 + 0.75 * np.array(VEIL))).all()
    assert (at(partition, 6, 6) == tinted((255, 255, 255), 0.26, 0)).all()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "partition",
    [
        Partition.grid((32, 32), (2, 2)),
        Partition.grid((32, 32), (2, 2), overlap=8),
        Partition.grid((32, 32), (4, 4), size=(10, 10)),
        Partition.grid((224, 224), (7, 5), overlap=12),
        Partition((32, 32), (Box(((2, 30), (2, 30))),) * 4),
    ],
    ids=str,
)
def test_every_number_stands_in_its_box_off_the_others(partition: Partition, side: int) -> None:
    scale = side / max(partition.shape)
    placed = labels(whole(partition), scale)
    assert list(placed) == list(range(len(partition)))
    assert_apart(placed, partition, scale)


def assert_apart(placed: dict[int, Label], partition: Partition, scale: float) -> None:
    """Each number lies in its box and hides no other."""
    for number, label in placed.items():
        (top, bottom), (left, right) = partition.boxes[number]
        assert left * scale - 1 <= label.left < label.right <= right * scale + 1
        assert top * scale - 1 <= label.top < label.bottom <= bottom * scale + 1
        assert not any(label.meets(other) for k, other in placed.items() if k != number)


def test_a_number_stands_where_its_box_is_alone() -> None:
    partition = Partition.grid((32, 32), (2, 2), overlap=8)  # whose middles lie in all four
    assert partition.multiplicity[12, 12] == 4
    placed = labels(whole(partition), SCHEME_PX / 32)
    assert [partition.multiplicity[label.pixel(SCHEME_PX / 32)] for label in placed.values()] == [1, 1, 1, 1]


def test_a_number_that_finds_no_room_is_left_out() -> None:
    assert labels(whole(Partition.grid((32, 32), (32, 32))), IMAGE_PX / 32) == {}
    narrow = Partition.grid((180, 60), (8, 8))
    assert labels(whole(narrow), IMAGE_PX / 180) == {}
    placed = labels(whole(narrow), SCHEME_PX / 180)
    assert 0 < len(placed) < len(narrow)
    assert_apart(placed, narrow, SCHEME_PX / 180)
    many = labels(whole(Partition((32, 32), (Box(((0, 8), (0, 8))),) * 40)), IMAGE_PX / 32)
    assert 0 < len(many) < 40


def test_colours_of_a_hundred_boxes_differ() -> None:
    assert len({colour(number) for number in range(100)}) == 100
    assert [colour(number) for number in range(len(FEW))] == FEW


def test_a_volume_is_seen_in_its_middle_and_every_box_somewhere() -> None:
    views = planes(Partition.grid((12, 16, 20), (2, 2, 2)))
    assert [(view.axis, view.at) for view in views] == [(0, 3), (0, 6), (1, 8), (2, 10)]
    assert [view.numbers for view in views] == [(0, 1, 2, 3), (4, 5, 6, 7), (2, 3, 6, 7), (1, 3, 5, 7)]
    assert [view.flat.shape for view in views] == [(16, 20), (16, 20), (12, 20), (12, 16)]
    assert views[2].flat.boxes[0] == Box(((0, 6), (0, 10)))


def test_a_slice_that_no_box_holds_is_moved_to_the_nearest_that_one_does() -> None:
    views = planes(Partition((20, 8, 8), (Box(((0, 4), (0, 8), (0, 8))), Box(((13, 20), (0, 8), (0, 8))))))
    assert [(view.axis, view.at, view.numbers) for view in views] == [(0, 13, (1,)), (1, 4, (0, 1)), (2, 4, (0, 1))]


def test_a_slice_shows_the_voxels_of_its_plane() -> None:
    volume = np.random.default_rng(0).integers(0, 255, (1, 12, 16, 20), np.uint8)
    for view in planes(Partition.grid((12, 16, 20), (1, 1, 1))):
        assert view.axis is not None
        assert (view.of(volume)[..., 0] == np.take(volume[0], view.at, view.axis)).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_image_of_three_channels_or_more_is_shown_in_colour_else_its_first_in_grey(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 255, (channels, 4, 5), np.uint8)
    shown = whole(Partition.grid((4, 5), (1, 1))).of(image)
    assert shown.shape == (4, 5, 3)
    assert (shown == (np.moveaxis(image[:3], 0, -1) if channels >= 3 else image[0][..., None])).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_the_sheet_holds_the_boxes_beside_the_images(tmp_path: Path, n: int) -> None:
    images = np.full((n, 1, 32, 32), 100, np.uint8)
    draw(tmp_path / "boxes.png", Partition.grid((32, 32), (2, 2)), images, ["name"] * n, ["title", "and more"])
    with Image.open(tmp_path / "boxes.png") as sheet:
        assert sheet.width > SCHEME_PX + -(-n // 2) * IMAGE_PX
        seen = {colour for _, colour in sheet.getcolors(10**6) or []}
    assert set(FEW[:4]) <= seen
    assert (tuple(int(v) for v in tinted((100, 100, 100), 0.1, 0)) in seen) == (n > 0)
    assert list(tmp_path.iterdir()) == [tmp_path / "boxes.png"]


def test_masks_of_0_and_1_are_seen(tmp_path: Path) -> None:
    draw(tmp_path / "boxes.png", Partition.grid((8, 8), (1, 1)), np.ones((1, 1, 8, 8), np.uint8), ["a"], [])
    with Image.open(tmp_path / "boxes.png") as sheet:
        assert tuple(int(v) for v in tinted((255, 255, 255), 0.1, 0)) in {c for _, c in sheet.getcolors(10**6) or []}


def test_a_volumes_sheet_has_a_column_for_each_slice(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 1, 12, 16, 20), np.uint8)
    draw(tmp_path / "boxes.png", Partition.grid((12, 16, 20), (2, 2, 2)), images, ["a", "b"], ["title"])
    with Image.open(tmp_path / "boxes.png") as sheet:
        assert sheet.width > 4 * SLICE_PX * 0.9
        assert set(FEW[:8]) <= {colour for _, colour in sheet.getcolors(10**6) or []}
