"""What decomposing makes and where composing puts it (document 3, 2.7, 2.8 and 2.11 to 2.14).

That the result is exact is the business of tests/property.
"""

from typing import Any

import pytest
import torch
from torch import nn

from schwarz.composition import compose
from schwarz.correspondence import share, trace
from schwarz.correspondence.tracing import output_layers
from schwarz.decomposition import decompose
from schwarz.networks import count_parameters, lstm, vgg9
from schwarz.networks.vgg import VGG
from schwarz.partition import Partition


def numbered(task: str = "classification", overlap: int = 0) -> tuple[Any, list[Any]]:
    """A network on rows of 8 pixels, composed of two whose weights are all 1 and all 10."""
    whole = nn.Sequential(
        nn.Conv1d(1, 3, 3), nn.Conv1d(3, 5, 1), nn.Flatten(), nn.Linear(30, 4), nn.Linear(4, 2)
    )  # fmt: skip
    partition = Partition.grid((8,), (2,), overlap=overlap)
    locals_ = decompose(whole, partition, (1, 8), task)
    for value, local in zip((1.0, 10.0), locals_, strict=True):
        for parameter in local.parameters():
            nn.init.constant_(parameter, value)
    compose(whole, locals_, partition, task=task)
    return whole, locals_


def test_2_7_widths_sum_up_but_those_of_the_image_and_of_the_classes():
    _, locals_ = numbered()
    assert [tuple(layer.weight.shape) for layer in (locals_[0][0], locals_[0][1], locals_[0][3], locals_[0][4])] == [
        (2, 1, 3), (3, 2, 1), (2, 6), (2, 2)]  # fmt: skip
    assert [tuple(layer.weight.shape) for layer in (locals_[1][0], locals_[1][1], locals_[1][3], locals_[1][4])] == [
        (1, 1, 3), (2, 1, 1), (2, 4), (2, 2)]  # fmt: skip


def test_2_11_and_2_12_fill_the_blocks_of_each_network_and_leave_nothing_between_them():
    whole, _ = numbered()
    assert whole[0].weight[:, 0, 0].tolist() == [1, 1, 10]
    assert whole[0].bias.tolist() == [1, 1, 10]
    assert whole[1].weight[..., 0].tolist() == [[1, 1, 0]] * 3 + [[0, 0, 10]] * 2


@pytest.mark.parametrize(("overlap", "first", "second"), [(0, [0, 1], [4, 5]), (2, [0, 1, 2, 3], [2, 3, 4, 5])])
def test_2_13_places_a_local_map_at_its_box(overlap, first, second):
    whole, _ = numbered(overlap=overlap)
    weight = whole[3].weight.reshape(4, 5, 6)  # outputs, channels, positions
    expected = torch.zeros(4, 5, 6)
    expected[:2, :3, first] = 1
    expected[2:, 3:, second] = 10
    assert torch.equal(weight, expected)
    assert whole[3].bias.tolist() == [1, 1, 10, 10]


def test_2_14_and_2_22_the_outputs_are_everybodys_their_biases_summed_or_averaged():
    whole, _ = numbered()
    assert whole[4].weight.tolist() == [[1, 1, 10, 10]] * 2
    assert whole[4].bias.tolist() == [11, 11]
    whole, _ = numbered("regression")
    assert whole[4].weight.tolist() == [[0.5, 0.5, 5, 5]] * 2
    assert whole[4].bias.tolist() == [5.5, 5.5]
    assert whole[3].bias.tolist() == [1, 1, 10, 10]


def test_reconstructions_fill_their_pixels_and_share_those_of_several_boxes():
    whole = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 6))
    partition = Partition.grid((6,), (2,), overlap=1)
    locals_: list[Any] = decompose(whole, partition, (6,), "autoencoder")
    for value, local in zip((1.0, 10.0), locals_, strict=True):
        for parameter in local.parameters():
            nn.init.constant_(parameter, value)
    composed: Any = compose(whole, locals_, partition, task="autoencoder")
    assert composed[0].weight.tolist() == [[1, 1, 1, 1, 0, 0]] * 2 + [[0, 0, 10, 10, 10, 10]] * 2
    assert composed[1].bias.tolist() == [1, 1, 5.5, 5.5, 10, 10]
    assert composed[1].weight.tolist() == [
        [1, 1, 0, 0], [1, 1, 0, 0], [0.5, 0.5, 5, 5], [0.5, 0.5, 5, 5], [0, 0, 10, 10], [0, 0, 10, 10]]  # fmt: skip


def test_gates_are_stacked_and_units_have_one_place_in_all_of_them():
    whole: Any = lstm((5, 4), 2, width=3, layers=1)
    partition = Partition.grid((4,), (2,))
    locals_: list[Any] = decompose(whole, partition, (5, 4))
    for value, local in zip((1.0, 10.0), locals_, strict=True):
        for parameter in local.parameters():
            nn.init.constant_(parameter, value)
    compose(whole, locals_, partition)
    gate_ih, gate_hh = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 10, 10]], [[1, 1, 0], [1, 1, 0], [0, 0, 10]]
    assert whole.states.weight_ih_l0.tolist() == gate_ih * 4
    assert whole.states.weight_hh_l0.tolist() == gate_hh * 4
    assert whole.states.bias_ih_l0.tolist() == whole.states.bias_hh_l0.tolist() == [1, 1, 10] * 4


def test_a_local_network_with_more_than_the_module_has_is_refused():
    whole = nn.Sequential(nn.Conv1d(1, 4, 3, bias=False), nn.Flatten(), nn.Linear(24, 2))
    partition = Partition.grid((8,), (2,))
    locals_ = decompose(whole, partition, (1, 8))
    locals_[1].set_submodule("0", nn.Conv1d(1, 2, 3))
    with pytest.raises(ValueError, match="layer '0' of local network 1 has a bias, the module's has none"):
        compose(whole, locals_, partition)


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
