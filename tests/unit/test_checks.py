"""What cannot run is refused before anything is written."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from schwarz.checks import check, check_labels, idle_workers, pods_of
from schwarz.data import DataInfo, Meta, pack
from schwarz.errors import WrongInput
from schwarz.families import FAMILIES
from schwarz.networks import BUILDERS
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.shrinking import Padding, least

INFO = DataInfo("sample", "0" * 32 + ".dir", (1, 28, 28), ("a", "b"), 100, 20, Path("data"), Path("data.dvc"))


def refused(message: str | None) -> AbstractContextManager[object]:
    """What refuses with this message; None: nothing does."""
    return nullcontext() if message is None else pytest.raises(WrongInput, match=message)


def test_the_quickstart_fits_its_images():
    assert len(check(preset("quickstart"), INFO)) == 4
    assert pods_of(preset("quickstart"), INFO) == 4
    assert pods_of(override(preset("quickstart"), {"place.pods": 2}), INFO) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"partition.grid": [8, 8]}, r"box 0 .* has \[4, 4\] pixels, but vgg9 .* needs 8 .* coarser grid"),
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
        ({"network.padding": "valid"}, r"box 0 .* has \[16, 16\] pixels, but vgg9 with 'valid' padding needs 50"),
        ({"network.padding": "valid", "data.pad": 1}, "the images themselves are smaller"),
        ({"data.pad": 29}, r"data.pad = 29: more zeros than image on every side of \[28, 28\]"),
        (
            {"data.limit": 20},
            r"data.validation = 0.15 leaves 3 validation images of 20 for 2 classes and 5 folds of the coarse net: a "
            r"larger share, `--data.validation 0.25`",
        ),
        ({"data.limit": 9, "coarse.folds": 5}, "more images, at least 10: `--data.limit none`"),
        ({"data.limit": 3, "coarse.source": "train"}, "images of 3 for 2 classes: more images, at least 4"),
        ({"data.limit": 101}, r"data.limit = 101: 'sample' has 100"),
        ({"augment.shift": 28}, r"augment.shift = 28: would push a whole image of 28 pixels out of sight: at most 27"),
        ({"augment.frame": "box", "augment.shift": 16}, r"augment.shift = 16: .* whole box of 16 pixels .* at most 15"),
    ],
)
def test_an_impossible_value_is_named_with_its_remedy(change: dict, message: str):
    with pytest.raises(WrongInput, match=message):
        check(override(preset("quickstart"), change), INFO)


def test_one_class_is_refused_whatever_is_exported():
    one = replace(INFO, classes=("a",))
    with pytest.raises(WrongInput, match="has one class only, 'a'"):
        check(override(preset("quickstart"), {"export.strategy": "global"}), one)


CONVOLUTIONAL = [name for name, family in FAMILIES.items() if "padding" in family.own]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("family", CONVOLUTIONAL)
def test_a_family_takes_just_the_axes_that_it_is_said_to_take(family: str, padding: Padding):
    """With a head that reads the whole map: the first dense layer fits only where its size is known to the pixel."""
    n = least(FAMILIES[family].windows(padding))
    make = partial(BUILDERS[family], classes=2, width=3, dense=2, padding=padding, head="flatten")
    for size in (n, n + 1, n + 2, n + 3, n + 7, 2 * n + 5):
        assert make((1, size)).eval()(torch.zeros(1, 1, size)).shape == (1, 2)
    features: Any = make((1, n)).eval().get_submodule("features")
    for size in {*range(1, min(n, 9)), n - 2, n - 1} - {0, -1}:
        with pytest.raises(ValueError, match=rf"too small: the network needs {n} along"):
            make((1, size))
        with pytest.raises(RuntimeError):
            features(torch.zeros(1, 1, size))


@pytest.mark.parametrize(
    ("network", "grid", "message"),
    [
        ({"family": "resnet20"}, [8, 8], None),
        ({"family": "resnet20", "width": 16}, [4, 5], "width = 16 cannot be shared by 20"),
        ({"family": "resnet20", "width": 16, "dense": 3}, [2, 2], "dense = 3 cannot be shared by 4"),
        ({"family": "resnet20", "width": 16, "padding": "valid"}, [1, 2], "resnet20 with 'valid' padding needs 81"),
        ({"family": "vgg16"}, [2, 2], r"box 0 .* has \[16, 16\] pixels, but vgg16 with 'same' padding needs 32"),
        ({"family": "vgg16"}, [1, 1], None),
        ({"family": "lenet5"}, [2, 2], None),
        ({"family": "lenet5"}, [2, 4], r"box 0 .* has \[16, 8\] pixels, but lenet5 with 'valid' padding needs 16"),
        ({"family": "lenet5", "padding": "same"}, [2, 4], r"network.width = 6 cannot be shared by 8"),
        ({"family": "mlp"}, [16, 16], None),
        ({"family": "mlp", "dense": 255}, [16, 16], "dense = 255 cannot be shared by 256"),
    ],
)
def test_a_family_is_held_against_the_boxes(network: dict, grid: list[int], message: str | None):
    values = {"network.width": None, "network.dense": None, "partition.grid": grid}
    config = override(preset("quickstart"), values | {f"network.{name}": value for name, value in network.items()})
    if message is None:
        assert len(check(config, INFO)) == grid[0] * grid[1]
    else:
        with pytest.raises(WrongInput, match=message):
            check(config, INFO)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"local.batch": 2}, "local.batch = 2: the last map of resnet20 is one pixel here"),
        (
            {"local.batch": 2, "coherent.batch": 1},
            "local.batch = 2, coherent.batch = 1: .* at least 3. `--local.batch 3 --coherent.batch 3`",
        ),
        ({"transfer.batch": 1}, "transfer.batch = 1: the last map of resnet20"),
        ({"local.batch": 3}, None),
        ({"tune.batch": 1}, None),
        ({"network.family": "lenet5", "local.batch": 1}, None),
    ],
)
def test_batchnorm_is_never_trained_on_one_value(change: dict, message: str | None):
    """Boxes of 4 pixels leave one pixel of the last map, whole images 8 x 8."""
    ours = {"network.family": "resnet20", "network.width": 64, "network.padding": "same", "partition.grid": [8, 8]}
    config = override(preset("quickstart"), ours | change)
    with refused(message):
        check(config, INFO)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"local.batch": 86}, "local.batch = 86: there are 85 images to train on: at most that. `--local.batch 85`"),
        (
            {"local.batch": 86, "coherent.batch": 99},
            "coherent.batch = 99, local.batch = 86: there are 85 .*`--coherent.batch 85 --local.batch 85`",
        ),
        ({"local.batch": 85, "global.batch": 85}, None),
        ({"coarse.batch": 86}, None),
        ({"global.batch": 9999, "strategies": ["average"]}, None),
        ({"local.batch": 9999, "strategies": ["global"]}, None),
        ({"tune.batch": 9999}, "tune.batch = 9999"),
        ({"local.batch": 101, "data.validation": "test", "strategies": ["average"]}, "there are 100 images"),
    ],
)
def test_no_batch_is_larger_than_what_it_is_taken_from(change: dict, message: str | None):
    config = override(preset("quickstart"), change)
    with refused(message):
        check(config, INFO)


def packed(folder: Path, *counts: int) -> DataInfo:
    """A set with so many training images of each class, in two shards."""
    y, x = np.repeat(np.arange(len(counts)), counts), np.zeros((sum(counts), 1, 28, 28), np.uint8)
    names = tuple("abc"[: len(counts)])
    meta = Meta("own", names, (1, 28, 28), len(y), 2, "none", "a test")
    pack(folder, meta, {"train": (x, y), "test": (x[:2], y[:2])}, shard_bytes=28 * 28 * (len(y) // 2 + 1))
    assert len(list(folder.glob("train-*.npz"))) == 2
    return replace(INFO, classes=names, train=len(y), folder=folder)


OUT_OF_FOLD = {"coarse.source": "out-of-fold", "coarse.folds": 3, "data.validation": 0.2}


@pytest.mark.parametrize(
    ("counts", "change", "message"),
    [
        (
            (40, 3, 9),
            {},
            r"coarse.folds = 3: class 'b' has 2 training images beside .*`--coarse.folds 2`, or `--coarse",
        ),
        ((40, 2, 9), {}, r"class 'b' has 1 training image beside .* Add images of it, or `--coarse.source holdout`"),
        ((40, 4, 9), {}, None),
        ((40, 3, 9), {"data.validation": "test"}, None),
        ((40, 4, 9), {"data.limit": 9}, "class 'a' has 2 training images"),
        ((40, 3, 9), {"coarse.source": "train"}, None),
        ((40, 3, 9), {"strategies": ["global", "average"]}, None),
    ],
)
def test_a_class_that_does_not_fill_the_folds_is_named_before_anything_is_trained(
    tmp_path: Path, counts: tuple[int, ...], change: dict, message: str | None
):
    config, info = override(preset("quickstart"), OUT_OF_FOLD | change), packed(tmp_path, *counts)
    with refused(message):
        check_labels(config, info)


@pytest.mark.parametrize(
    ("workers", "pods", "said"),
    [
        (9, 1, "place.workers = 9: 4 at work, for a pod trains 4 local networks"),
        (
            2,
            None,
            "place.workers = 2: 1 at work, for a pod trains 1 local network; `--place.pods 1` gives one pod all 4",
        ),
        (3, 2, "place.workers = 3: 2 at work, for a pod trains 2 local networks; `--place.pods 1` gives one pod all 4"),
        (4, 1, ""),
        (2, 2, ""),
        (1, None, ""),
    ],
)
def test_workers_that_have_nothing_to_do_are_said(workers: int, pods: int | None, said: str):
    assert idle_workers(override(preset("quickstart"), {"place.workers": workers, "place.pods": pods}), 4) == said


def test_one_image_and_a_map_of_one_pixel_is_what_torch_refuses():
    network = BUILDERS["resnet20"]((1, 4, 4), 2, width=4).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 1, 4, 4))
    assert network(torch.zeros(2, 1, 4, 4)).shape == (2, 2)
