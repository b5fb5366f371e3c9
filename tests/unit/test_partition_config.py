"""Boxes of one's own in a configuration: from a file, from flags, over a preset; and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schwarz.checks import cut, partition_of, pods_of
from schwarz.cli.options import applied
from schwarz.config import Config, PartitionConfig
from schwarz.data import DataInfo
from schwarz.document import document
from schwarz.errors import WrongInput
from schwarz.partition import Box, Partition
from schwarz.presets import preset
from schwarz.reading import load, override, read_section

INFO = DataInfo("sample", "0" * 32 + ".dir", (1, 28, 28), ("a", "b"), 600, 20, Path("data"), Path("data.dvc"))
BOXES = (((0, 16), (0, 32)), ((12, 32), (4, 28)))
FLAG = {"partition.boxes": ["0:16,0:32", "12:32,4:28"]}


def test_a_configuration_gives_the_same_partition():
    assert partition_of(PartitionConfig(grid=(2, 2), overlap=4), (32, 32)) == Partition.grid(
        (32, 32), (2, 2), overlap=4
    )


def test_any_boxes_of_a_configuration_are_the_partition():
    config = PartitionConfig(boxes=(((0, 16), (0, 32)), ((12, 32), (4, 28))))
    assert partition_of(config, (32, 32)) == Partition((32, 32), (Box(((0, 16), (0, 32))), Box(((12, 32), (4, 28)))))


def from_file(folder: Path, partition: str) -> Config:
    """What a file with this section makes of a preset."""
    (folder / "mine.toml").write_text(f"[partition]\n{partition}\n")
    return load(folder / "mine.toml", preset("tiny"))


def test_boxes_of_a_file_take_the_place_of_the_presets_grid(tmp_path: Path):
    config = from_file(tmp_path, "boxes = [[[0, 16], [0, 32]],\n[[12, 32], [4, 28]],\n]")
    assert (config.partition.boxes, config.partition.grid) == (BOXES, None)
    assert cut(config, INFO) == Partition((32, 32), tuple(map(Box, BOXES)))
    assert pods_of(config, INFO) == 2


def test_boxes_of_a_flag_are_those_of_a_file(tmp_path: Path):
    config = from_file(tmp_path, "boxes = [[[0, 16], [0, 32]], [[12, 32], [4, 28]]]")
    assert applied(preset("tiny"), FLAG) == config
    assert config.science() != preset("tiny").science()


def test_boxes_survive_the_run_folder_and_the_pipeline(tmp_path: Path):
    config = applied(preset("tiny"), FLAG)
    (tmp_path / "config.toml").write_text(document(config))
    assert load(tmp_path / "config.toml") == config
    assert read_section(PartitionConfig, config.partition.model_dump_json(), "partition") == config.partition


def test_boxes_replace_the_overlap_and_the_size_that_belong_to_the_grid():
    for change in ({"partition.overlap": 4}, {"partition.size": [20, 20]}, {"partition.crop": [24, 24]}):
        assert applied(override(preset("tiny"), change), FLAG).partition == PartitionConfig(boxes=BOXES)


def test_a_grid_takes_the_place_of_boxes():
    config = override(applied(preset("tiny"), FLAG), {"partition.grid": [4, 4], "partition.overlap": 1})
    assert config.partition == PartitionConfig(grid=(4, 4), overlap=1)
    assert (config.partition.count, config.partition.axes) == (16, 2)


def test_a_partition_says_itself_in_words():
    assert PartitionConfig().words == "2x2 with overlap 0"
    assert PartitionConfig(grid=(4, 4), size=(10, 10), crop=(28, 28)).words == (
        "4x4 with boxes of 10x10, of their centred 28x28"
    )
    assert PartitionConfig(boxes=BOXES).words == "into 2 chosen boxes"
    assert (PartitionConfig(boxes=BOXES).count, PartitionConfig(boxes=BOXES).axes) == (2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": BOXES, "grid": [4, 4]}, r"partition: grid \[4, 4\] and boxes exclude each other: give one of them"),
        ({"boxes": BOXES, "overlap": 2}, r"partition: overlap 2 and boxes exclude each other: give one of them"),
        ({"boxes": BOXES, "size": [20, 20]}, r"size \[20, 20\] and boxes exclude each other: give one of them"),
        ({"boxes": BOXES, "crop": [20, 20]}, r"crop \[20, 20\] and boxes exclude each other: give one of them"),
        ({"boxes": []}, r"partition.boxes = \[\]: .*at least 1 item"),
        ({"boxes": [[]]}, r"box 0 has 0 axes.*: give each box the axes of an image"),
        ({"boxes": [[[0, 4], [0, 4]], [[0, 4]]]}, r"box 1 has 1 axes, box 0 2: give each box the axes of an image"),
        ({"boxes": [[[4, 4]]]}, r"box 0 has the span \[4, 4\]: give \[start, stop\] with 0 <= start < stop"),
        ({"boxes": [[[-1, 4]]]}, r"box 0 has the span \[-1, 4\]: give \[start, stop\] with 0 <= start < stop"),
        ({"boxes": [[[0, 4, 8]]]}, r"box 0 has the span \[0, 4, 8\]: give \[start, stop\]"),
        ({"boxes": [[[0, float("nan")]]]}, r"partition.boxes = nan: .*finite number"),
        ({"boxes": [[[0, 2.5]]]}, r"partition.boxes = 2.5: .*integer"),
        ({"boxes": [[0, 4]]}, r"partition.boxes = 0: .*array|tuple"),
        ({"grid": None}, r"partition: neither grid nor boxes say how images are cut: give one of them"),
    ],
)
def test_what_cannot_be_is_refused_with_its_value_and_the_remedy(change: dict[str, Any], message: str):
    with pytest.raises(WrongInput, match=message):
        override(preset("tiny"), {f"partition.{name}": value for name, value in change.items()})


def test_a_fault_in_a_file_of_boxes_is_found_by_its_line(tmp_path: Path):
    with pytest.raises(WrongInput, match=r"mine.toml:2: partition.boxes = '0': .*integer"):
        from_file(tmp_path, 'boxes = [\n[["0", 16], [0, 32]],\n]')
    with pytest.raises(WrongInput, match=r"mine.toml:5: unknown field 'partition.overlpa'. Did you mean 'overlap'"):
        from_file(tmp_path, "boxes = [\n[[0, 16], [0, 32]],\n]\noverlpa = 3")


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[[0, 16]]], r"partition.boxes cut 1 axes, the images of 'sample' have 2 .*`--partition.grid 2 2`"),
        (
            [[[0, 16], [0, 33]]],
            r"partition: box 0 spans 0:33 on axis 1 of 32 pixels: .* images of 'sample' .*\[32, 32\]",
        ),
    ],
)
def test_boxes_that_do_not_fit_the_images_are_refused(boxes: Any, message: str):
    with pytest.raises(WrongInput, match=message):
        cut(override(preset("tiny"), {"partition.boxes": boxes}), INFO)


def test_boxes_cut_volumes():
    config = override(preset("tiny"), {"partition.boxes": [[[0, 9], [2, 9], [0, 32]]], "data.pad": 0})
    assert cut(config, replace(INFO, shape=(1, 32, 32, 32))).boxes[0].shape == (9, 7, 32)


def test_boxes_are_told_to_tracking_as_they_are_written():
    from schwarz.steps.begin import flat

    assert json.loads(f"[{flat(applied(preset('tiny'), FLAG))['partition.boxes']}]") == [
        [list(span) for span in box] for box in BOXES
    ]
