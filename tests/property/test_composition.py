"""Theorem 2.1 of document 3: the composed network's logits are the sum of the local networks' logits.

It holds exactly with `valid` padding, a dense head on the flattened map, BatchNorm in eval mode and box starts that the
total stride divides; with overlap too, although the paper's proof assumes a complete partition.
"""

from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from schwarz.composition import compose
from schwarz.correspondence import share, trace
from schwarz.correspondence.tracing import output_layers
from schwarz.decomposition import decompose
from schwarz.networks import build, count_parameters, initialise, vgg9
from schwarz.networks.vgg import VGG
from schwarz.partition import Box, Partition

SIZE = {1: 40, 2: 32, 3: 16}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def random_statistics(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            for tensor in (layer.running_mean, layer.weight, layer.bias):
                assert tensor is not None
                nn.init.normal_(tensor)
            assert layer.running_var is not None
            nn.init.uniform_(layer.running_var, 0.5, 2)


def composed(
    shape: tuple[int, ...], partition: Partition, stages: list[list[int]], dense: int, padding: Literal["same", "valid"]
) -> tuple[Any, list[Any]]:
    """(global network with composed weights, its trained-looking local networks), in float64 and eval mode."""
    whole = VGG(shape, 5, stages, dense, padding).double()
    locals_ = decompose(whole, partition, shape)
    for local in locals_:
        random_statistics(local)
    return compose(whole, locals_, partition).eval(), [local.eval() for local in locals_]


@st.composite
def aligned(draw) -> tuple[tuple[int, ...], Partition, list[list[int]]]:
    """An input shape, a partition whose starts two poolings divide, and the widths of two stages."""
    axes = draw(st.integers(1, 3))
    n = SIZE[axes]
    boxes = []
    for _ in range(draw(st.integers(1, 4))):
        spans = []
        for _ in range(axes):
            start = 4 * draw(st.integers(0, (n - 12) // 4))
            spans.append((start, draw(st.integers(start + 12, n))))
        boxes.append(Box(tuple(spans)))
    widths = st.lists(st.integers(len(boxes), 9), min_size=1, max_size=1)
    return (draw(st.integers(1, 3)), *[n] * axes), Partition((n,) * axes, tuple(boxes)), [draw(widths), draw(widths)]


@settings(max_examples=40, deadline=None)
@given(aligned(), st.integers(4, 9), st.integers(0, 2**31))
def test_logits_of_the_composed_network_are_the_sum_of_the_local_ones(case, dense, seed):
    torch.manual_seed(seed)
    shape, partition, stages = case
    whole, locals_ = composed(shape, partition, stages, dense, "valid")
    x = torch.randn(3, *shape, dtype=torch.float64)
    expected = torch.stack([local(part) for local, part in zip(locals_, partition.split(x), strict=True)]).sum(0)
    torch.testing.assert_close(whole(x), expected, rtol=0, atol=1e-10)


def test_with_same_padding_features_agree_where_a_box_alone_decides_them_and_not_elsewhere():
    partition = Partition.grid((32, 32), (2, 2))
    whole, locals_ = composed((1, 32, 32), partition, [[8], [8]], 8, "same")
    x = torch.randn(20, 1, 32, 32, dtype=torch.float64)
    maps = whole.features(x)[:, :2, :4, :4]  # the first box's channels, on its part of the 8x8 map
    local = locals_[0].features(partition.split(x)[0])
    assert (maps - local)[..., :3, :3].abs().max() < 1e-12  # what lies beyond the cut reaches one position of it
    assert (maps - local)[..., 3, :].abs().max() > 1e-6


@pytest.mark.parametrize(
    ("n", "boxes", "overlap", "first"),
    [(32, 3, 0, [0, 1, 3]), (32, 2, 4, [0, 2]), (36, 2, 6, [0, 1]), (40, 4, 0, [0, 1, 3, 4])],
)
def test_unaligned_boxes_lie_at_the_nearest_place_of_the_flattened_map_side_by_side(n, boxes, overlap, first):
    """Starts that the stride of 8 does not divide: offset round(start / 8), clipped so that the local map fits."""
    whole: Any = VGG((1, n), 3, [[4], [4], [4]], 4)
    partition = Partition.grid((n,), (boxes,), overlap)
    locals_ = decompose(whole, partition, (1, n))
    for k, local in enumerate(locals_):
        nn.init.constant_(local.get_parameter("dense.weight"), k + 1)
    weight = compose(whole, locals_, partition).get_parameter("dense.weight").reshape(4, 4, n // 8)
    assert [int((weight == k + 1).any(0).any(0).nonzero()[0]) for k in range(boxes)] == first


def test_document_1s_vgg9_decomposes_into_quarters():
    whole = vgg9((1, 32, 32), 10, width=16, dense=128)
    locals_: list[Any] = decompose(whole, Partition.grid((32, 32), (2, 2)), (1, 32, 32))
    assert [local.features[0].out_channels for local in locals_] == [4] * 4
    assert [local.dense.in_features for local in locals_] == [16 * 2 * 2] * 4
    assert all(local.classes.out_features == 10 for local in locals_)
    assert len({count_parameters(local) for local in locals_}) == 1


def test_uneven_widths_give_the_first_boxes_one_channel_more():
    assert [len(share(10, k, 4)) for k in range(4)] == [3, 3, 2, 2]
    assert [channel for k in range(4) for channel in share(10, k, 4)] == list(range(10))


def test_the_output_layer_is_the_one_no_weights_follow():
    assert output_layers(trace(vgg9((1, 32, 32), 10))) == {"classes"}


def test_mode_and_dtype_are_kept():
    whole = VGG((1, 16), 3, [[4]], 4, "valid").double().train()
    partition = Partition.grid((16,), (2,))
    locals_ = decompose(whole, partition, (1, 16))
    assert all(local.training and next(local.parameters()).dtype == torch.float64 for local in locals_)
    assert compose(whole, locals_, partition).training


def test_weights_are_a_function_of_the_seed_alone():
    first = initialise(VGG((1, 16), 3, [[4]], 4), 7)
    torch.rand(100)
    second = initialise(VGG((1, 16), 3, [[4]], 4), 7)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: decompose(VGG((1, 16, 16), 3, [[2]], 8), Partition.grid((16, 16), (2, 2)), (1, 16, 16)),
            "'features.0' has 2 channels for 4",
        ),
        (lambda: decompose(vgg9((1, 16, 16), 3), Partition.grid((16, 16), (4, 4)), (1, 16, 16)), "box 0 .* too small"),
        (lambda: vgg9((1, 4, 4), 3), "too small"),
        (lambda: decompose(vgg9((1, 16, 16), 3), Partition.grid((8, 8), (2, 2)), (1, 16, 16)), "does not end in"),
        (lambda: compose(vgg9((1, 16, 16), 3), [], Partition.grid((16, 16), (2, 2))), "0 local networks for 4 boxes"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_value(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_local_networks_that_do_not_match_are_refused_by_layer_and_shapes():
    partition = Partition.grid((16, 16), (2, 2))
    whole = VGG((1, 16, 16), 3, [[8]], 8)
    wider = decompose(VGG((1, 16, 16), 3, [[16]], 8), partition, (1, 16, 16))
    with pytest.raises(
        ValueError, match=r"'features.0' of local network 0 has weight \(4, 1, 3, 3\), not \(2, 1, 3, 3\)"
    ):
        compose(whole, wider, partition)


def test_a_layer_that_cannot_be_composed_is_named():
    whole = nn.Sequential(nn.Conv1d(1, 4, 3), nn.LocalResponseNorm(2), nn.Flatten(), nn.Linear(56, 3))
    with pytest.raises(ValueError, match="layer '1': LocalResponseNorm cannot be composed"):
        decompose(whole, Partition.grid((16,), (1,)), (1, 16))


def test_every_family_of_the_configuration_can_be_built():
    from schwarz.config import Network

    assert build(Network(family="vgg9"), (3, 32, 32), 10)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
