"""Pairs of feature maps: the same numbers on the activation field, others beside it, each at its place."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from schwarz import Partition, compose, decompose
from schwarz.feature_maps import SIDE, Pair, feature_maps
from schwarz.networks import cnn5, mlp, vgg9


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def pairs(module: nn.Module, partition: Partition, x: Tensor) -> list[Pair]:
    locals_ = decompose(module, partition, tuple(x.shape[1:]))
    compose(module.eval(), locals_, partition)
    return feature_maps(module, [local.eval() for local in locals_], partition, x)


@pytest.fixture(scope="module")
def found(x: Tensor) -> list[Pair]:
    torch.manual_seed(0)
    return pairs(vgg9((3, 24, 24), 5, width=8, dense=16), Partition.grid((24, 24), (2, 2), overlap=4), x)


def test_there_is_one_for_each_image_box_and_layer(found: list[Pair]):
    assert [(pair.image, pair.box, pair.layer) for pair in found] == [
        (image, box, layer) for image in range(2) for box in range(4) for layer in (1, 3, 5)
    ]
    assert [pair.name for pair in found[:3]] == ["features.2", "features.8", "features.15"]
    assert [pair.shape for pair in found[:3]] == [(24, 24), (24, 24), (12, 12)]
    assert found[0].seen.spans == ((0, 16), (0, 16))


def test_both_are_equal_on_the_field_and_differ_beside_it(found: list[Pair]):
    for pair in found:
        inside = tuple(slice(*span) for span in pair.field)
        assert pair.local[inside].size
        assert pair.claimed
        assert pair.gap < 1e-6
        np.testing.assert_allclose(pair.local[inside], pair.whole[inside], atol=1e-6)
        assert np.ptp(pair.local[~np.isnan(pair.local)]) > 0.01  # not a constant one
    beside = [np.nanmax(np.abs(pair.local - pair.whole)) for pair in found]
    assert max(beside) > 0.01


def test_local_maps_lie_where_their_boxes_do(found: list[Pair]):
    for pair in found:
        held = np.argwhere(~np.isnan(pair.local))
        first, last = held.min(0), held.max(0) + 1
        shrunk = 24 // pair.shape[0]
        assert [tuple(span) for span in zip(first * shrunk, last * shrunk, strict=True)] == list(pair.seen.spans)


def test_the_second_image_shows_other_channels(found: list[Pair]):
    first, second = ([pair.channel for pair in found if pair.image == image] for image in (0, 1))
    assert all(0 <= channel < 16 for channel in first + second)
    assert first != second


def test_a_gap_is_seen_where_the_network_is_not_the_composed_one(x: Tensor):
    module, partition = cnn5((3, 24, 24), 5, width=4, dense=8), Partition.grid((24, 24), (2, 2))
    locals_ = [local.eval() for local in decompose(module, partition, (3, 24, 24))]
    found = feature_maps(module.eval(), locals_, partition, x)
    assert [pair.layer for pair in found[:2]] == [1, 1]  # the other activation follows a dense layer
    assert max(pair.gap for pair in found) > 0.01


def test_large_maps_are_thinned(x: Tensor):
    large = nn.functional.interpolate(x, size=(150, 100))
    (first, *_) = pairs(cnn5((3, 150, 100), 5, width=4, dense=8), Partition.grid((150, 100), (2, 2)), large)
    assert first.shape == (150, 100)
    assert first.local.shape == first.whole.shape == (SIDE, 43)


def test_of_many_boxes_four_are_shown(x: Tensor):
    found = pairs(cnn5((3, 24, 24), 5, width=9, dense=9), Partition.grid((24, 24), (3, 3)), x)
    assert sorted({pair.box for pair in found}) == [0, 3, 5, 8]


def test_a_network_without_maps_has_none(x: Tensor):
    assert pairs(mlp((3, 24, 24), 5, dense=8), Partition.grid((24, 24), (2, 2)), x) == []


def test_volumes_are_refused(x: Tensor):
    with pytest.raises(ValueError, match="two axes, the partition has 3"):
        feature_maps(nn.Identity(), [], Partition.grid((4, 4, 4), (1, 1, 1)), x)
