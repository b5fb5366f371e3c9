"""What cannot run is refused before anything is written."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from schwarz.checks import STAGES, check, pods_of
from schwarz.config import override
from schwarz.data import DataInfo
from schwarz.errors import WrongInput
from schwarz.networks import vgg9
from schwarz.presets import preset
from schwarz.shrinking import least

INFO = DataInfo("sample", "0" * 32 + ".dir", (1, 28, 28), ("a", "b"), 100, 20, Path("data"), Path("data.dvc"))


def test_the_quickstart_fits_its_images():
    assert len(check(preset("quickstart"), INFO)) == 4
    assert pods_of(preset("quickstart"), INFO) == 4
    assert pods_of(override(preset("quickstart"), {"place.pods": 2}), INFO) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"partition.grid": [8, 8]}, r"box 0 has \[4, 4\] pixels, but vgg9 .* needs 8 .* coarser grid"),
        (
            {"partition.grid": [2, 2, 2]},
            r"grid \[2, 2, 2\] cuts 3 axes, the images of 'sample' have 2 .*`--partition.grid 2 2`",
        ),
        ({"partition.overlap": 17}, r"overlap 17 .* at most 16.*\[32, 32\]"),
        ({"partition.crop": [40, 40]}, r"crop \[40, 40\] is larger"),
        ({"partition.size": [40, 40]}, r"size 40 on an axis of 32"),
        ({"network.width": 3}, r"network.width = 3 cannot be shared by 4"),
        ({"network.dense": 2}, r"network.dense = 2 cannot be shared by 4"),
        ({"place.pods": 5}, r"place.pods = 5: there are 4 boxes"),
        ({"network.padding": "valid"}, r"box 0 has \[16, 16\] pixels, but vgg9 with 'valid' padding needs 50"),
        ({"network.padding": "valid", "data.pad": 1}, "the images themselves are smaller"),
        ({"data.pad": 29}, r"data.pad = 29: more zeros than image on every side of \[28, 28\]"),
        ({"data.limit": 20}, r"leaves 3 validation images for 2 classes and 5 folds"),
        ({"data.limit": 101}, r"data.limit = 101: 'sample' has 100"),
    ],
)
def test_an_impossible_value_is_named_with_its_remedy(change: dict, message: str):
    with pytest.raises(WrongInput, match=message):
        check(override(preset("quickstart"), change), INFO)


def test_one_class_is_refused_whatever_is_exported():
    one = replace(INFO, classes=("a",))
    with pytest.raises(WrongInput, match="has one class only, 'a'"):
        check(override(preset("quickstart"), {"export.strategy": "global"}), one)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_least_box_is_the_least_that_the_network_takes(padding: Literal["same", "valid"]):
    n = least(STAGES["vgg9"], padding)
    vgg9((1, n, n), 2, 4, 4, padding)
    with pytest.raises(ValueError, match="too small"):
        vgg9((1, n - 1, n - 1), 2, 4, 4, padding)
