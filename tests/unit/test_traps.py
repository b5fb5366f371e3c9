"""What keeps a composition from being exact: each is labelled, by the layer that decides it, and measured; and what is
exact though nothing in the library knows the network."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from schwarz import Case, Partition, compose, decompose, verify
from schwarz.config import Network
from schwarz.networks import build
from schwarz.partition import Box
from schwarz.verdict import Verdict
from tests.models import (
    IMAGE,
    Branches,
    DenseBlock,
    Inception,
    SqueezeExcite,
    Tied,
    Twisted,
    UNet,
    group_normed,
    headed,
    layer_normed,
    look_trained,
    residual,
    resnext,
    separable,
)

QUARTERS = Partition.grid((16, 16), (2, 2))
HALVES = Partition.grid((16, 16), (2, 1))
MEASURED = 1e-4
"""A gap that no rounding makes: in float64 an exact network has 1e-14."""


def checked(
    network: nn.Module, partition: Partition = QUARTERS, shape: tuple[int, ...] = IMAGE, task: str = "classification"
) -> Verdict:
    """The verdict on a network composed of local networks that look trained, in float64."""
    torch.manual_seed(0)
    network = network.double()
    locals_ = decompose(network, partition, shape, task)
    look_trained(*locals_)
    compose(network, locals_, partition, task=task)
    return verify(network, locals_, partition, torch.randn(4, *shape, dtype=torch.float64), task=task)


def after_conv(layer: nn.Module) -> Callable[[], nn.Module]:
    return lambda: headed(nn.Conv2d(3, 8, 3), layer)


TRAPS: list[tuple[str, Callable[[], nn.Module], Case, str, str]] = [
    # 1: outputs
    ("an output that keeps places", UNet, Case.INITIALISATION, "out", "keeps places"),
    # 2: normalisation and pooling of the whole map
    ("GroupNorm, a group for each box", after_conv(nn.GroupNorm(4, 8)), Case.INITIALISATION, "1", "whole image"),
    ("LayerNorm on maps", after_conv(nn.LayerNorm([8, 14, 14])), Case.INITIALISATION, "1", "whole image"),
    ("InstanceNorm", after_conv(nn.InstanceNorm2d(8)), Case.INITIALISATION, "1", "whole image"),
    ("BatchNorm without statistics", after_conv(nn.BatchNorm2d(8, track_running_stats=False)), Case.INITIALISATION,
     "1", "whole image"),
    ("squeeze-excite", SqueezeExcite, Case.INITIALISATION, "mul", "whole image"),
    ("global pooling", after_conv(nn.AdaptiveAvgPool2d(1)), Case.FIELD, "1", "pools the whole map"),
    # 3: padding
    ("same padding", lambda: headed(nn.Conv2d(3, 8, 3, padding="same")), Case.FIELD, "0", "pads at the cuts"),
    ("circular padding", lambda: headed(nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular")), Case.FIELD,
     "0", "pads at the cuts"),
    ("zeros around", after_conv(nn.ZeroPad2d(1)), Case.FIELD, "1", "pads at the cuts"),
    # 5: the rest
    ("ceil_mode", after_conv(nn.MaxPool2d(3, 2, ceil_mode=True)), Case.FIELD, "1", "ceil_mode"),
    ("padded pooling that counts", after_conv(nn.AvgPool2d(2, padding=1)), Case.FIELD, "1", "pads at the cuts"),
    ("adaptive pooling to 2x2", after_conv(nn.AdaptiveAvgPool2d(2)), Case.INITIALISATION, "1", "2 x 2 bins"),
    ("a PReLU with one slope", after_conv(nn.PReLU()), Case.INITIALISATION, "1", "several local networks learn"),
    ("BatchNorm on the image", lambda: headed(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3)), Case.INITIALISATION,
     "0", "several local networks learn"),
    ("a channel shuffle by hand", lambda: Twisted(8), Case.INITIALISATION, "view", "splits channels"),
    ("align_corners", after_conv(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
     Case.INITIALISATION, "1", "aligns the corners"),
    ("linear up-sampling", after_conv(nn.Upsample(scale_factor=2, mode="bilinear")), Case.FIELD,
     "1", "beyond the cuts"),
    ("softmax among features", after_conv(nn.Softmax2d()), Case.INITIALISATION, "1", "features of all"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "case", "layer", "reason"), [t[1:] for t in TRAPS], ids=[t[0] for t in TRAPS])
def test_what_is_not_exact_is_labelled_by_layer_and_measured(network, case, layer, reason):
    verdict = checked(network())
    assert verdict.case is case
    assert not verdict.exact
    assert any(cause.layer == layer and reason in cause.reason for cause in verdict.causes), verdict.causes
    assert verdict.logit_gap > MEASURED
    assert verdict.holds  # what it claims of the features was seen


@pytest.mark.parametrize(
    ("network", "layer"), [(lambda: Twisted(2, by_name=True), "second"), (Branches, "grouped")],
    ids=["shuffle, then groups", "concatenation, then groups"],
)  # fmt: skip
def test_groups_that_reach_across_local_networks_are_labelled(network, layer):
    verdict = checked(network(), HALVES)
    assert verdict.case is Case.INITIALISATION
    assert [cause.layer for cause in verdict.causes] == [layer]
    assert verdict.logit_gap > MEASURED


def test_tied_weights_are_exact_where_their_maps_are_equal_and_labelled_elsewhere():
    assert checked(Tied(), Partition.grid((16,), (2,)), (16,)).exact
    verdict = checked(Tied(), Partition.grid((16,), (2,), overlap=2), (16,))
    assert verdict.case is Case.INITIALISATION
    assert [cause.layer for cause in verdict.causes] == ["second"]
    assert verdict.logit_gap > MEASURED


@pytest.mark.parametrize(
    ("n", "partition", "aligned"),
    [
        (32, Partition.grid((32, 32), (2, 2), overlap=4), (0, 8)),
        (90, Partition.grid((90, 90), (2, 2)), (0, 40)),
        (36, Partition((36, 36), (Box(((0, 36), (0, 20))), Box(((0, 36), (13, 36))))), (0, 8)),
    ],
    ids=["overlap of the CIFAR presets", "TF-Flowers: 90 / 8", "arbitrary boxes"],
)  # fmt: skip
def test_starts_between_the_strides_are_labelled_with_the_nearest_boxes_that_are_not(n, partition, aligned):
    shape = (3, n, n)
    network = build(Network(family="vgg9", width=8, dense=8), shape, 4)
    verdict = checked(network, partition, shape)
    assert verdict.case is Case.INITIALISATION
    first = next(cause for cause in verdict.causes if cause.case is Case.INITIALISATION)
    assert "would begin box 1 at position" in first.reason
    assert "multiples of 8 x 8" in first.nearest
    assert verdict.logit_gap > MEASURED
    assert {span[0] for box in partition.aligned(8) for span in box} <= set(range(0, n, 8))
    assert tuple(sorted({box.start[1] for box in partition.aligned(8)})) == aligned


def test_vgg16_on_quarters_of_224_pixels_is_labelled_without_running_it():
    """112 / 32 is no whole number: the map of the last pooling begins between two positions."""
    from schwarz.correspondence import correspond
    from schwarz.networks.vgg import vgg16

    network = vgg16((3, 224, 224), 1000, width=4, dense=8)
    found = correspond(network, Partition.grid((224, 224), (2, 2)), (3, 224, 224))
    assert found.case is Case.INITIALISATION
    assert any("position 3.5 of its map" in cause.reason for cause in found.causes)


@pytest.mark.parametrize(
    "network",
    [DenseBlock, separable, residual, resnext, Inception, lambda: Twisted(8, by_name=True),
     lambda: headed(nn.Conv2d(3, 12, 3, groups=3), nn.PReLU(12)), lambda: headed(nn.ConvTranspose2d(3, 8, 2, 2)),
     lambda: headed(nn.Conv2d(3, 8, 3), nn.Upsample(scale_factor=2), nn.InstanceNorm2d(8, track_running_stats=True)),
     lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Linear(12, 4))],
    ids=["DenseNet", "depthwise-separable", "residual", "ResNeXt", "Inception", "ShuffleNet", "depthwise on the image",
         "transposed", "up-sampling", "MLP on images"],
)  # fmt: skip
def test_networks_as_users_write_them_are_exact(network: Callable[[], Any]):
    verdict = checked(network())
    assert verdict.exact, verdict
    assert verdict.logit_gap < 1e-12
    assert verdict.holds


@pytest.mark.parametrize(
    ("network", "layers"),
    [(SqueezeExcite, ["gate.0", "mul"]), (group_normed, ["1"]),
     (layer_normed, ["2"]),
     (UNet, ["down", "deep", "join", "out"])],
    ids=["squeeze-excite", "GroupNorm", "LayerNorm", "U-Net"],
)  # fmt: skip
def test_networks_that_cannot_be_exact_name_every_layer_that_decides_it(network, layers):
    verdict = checked(network())
    assert [cause.layer for cause in verdict.causes] == layers
    assert verdict.case is Case.INITIALISATION


def test_one_box_that_is_the_whole_image_makes_everything_exact():
    whole = Partition.grid((16, 16), (1, 1))
    for network in (SqueezeExcite(), headed(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8))):
        assert checked(network, whole).exact
