"""Class activation maps: they take a linear head's logit apart by places, and those of local networks add up to the
composed network's where their features are its own (document 3, 3.1.3)."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from schwarz.activation_maps import SIDE, Look, activation_maps, enlarged, last_map, look, pictures
from schwarz.composition import compose, matched
from schwarz.decomposition import decompose
from schwarz.networks import BUILDERS, initialise
from schwarz.partition import Box, Partition
from tests import models
from tests.models import Network, headed, look_trained


def made(family: str, shape: tuple[int, ...], classes: int = 4, **choices: Any) -> Any:
    network = initialise(BUILDERS[family](shape, classes, **choices), 0)
    look_trained(network)
    return network.double().eval()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def features(network: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network.features(x)


LINEAR = [
    ("vgg9", (3, 32, 32), {"width": 4, "dense": None}, (4, 4)),
    ("vgg3", (1, 16, 24), {"width": 4, "dense": None, "padding": "same", "head": "pool"}, (2, 3)),
    ("plain11", (3, 64, 64), {"width": 4}, (2, 2)),
    ("resnet20", (3, 16, 16), {"width": 4}, (4, 4)),
    ("resnet50", (3, 64, 64), {"width": 4}, (2, 2)),
    ("lenet5", (1, 32, 32), {"dense": None}, (5, 5)),
    ("cnn1d", (2, 64), {"width": 4, "dense": None}, (8,)),
    ("resnet20", (1, 16, 16, 8), {"width": 4, "head": "flatten"}, (4, 4, 2)),
]


@pytest.mark.parametrize(("family", "shape", "choices", "places"), LINEAR)
def test_the_places_of_a_map_and_the_bias_sum_up_to_the_logit_of_a_linear_head(
    family: str, shape: tuple[int, ...], choices: dict[str, Any], places: tuple[int, ...]
):
    network, x = made(family, shape, **choices), noise(3, *shape)
    maps, logits = activation_maps(network, x)
    assert maps.shape == (3, 4, *places)
    bias = network.classes.bias
    torch.testing.assert_close(logits, network(x).detach(), rtol=0, atol=0)
    torch.testing.assert_close(maps.flatten(2).sum(2) + bias.detach(), logits, rtol=0, atol=1e-10)
    assert maps.flatten(2).std(2).min() > 1e-6  # places differ


def test_behind_global_average_pooling_it_is_the_documents_map_over_the_number_of_places():
    network, x = made("plain11", (3, 64, 96), width=4), noise(2, 3, 64, 96)
    documents = torch.einsum("cn,bnhw->bchw", network.classes.weight.detach(), features(network, x))
    torch.testing.assert_close(activation_maps(network, x).maps, documents / (2 * 3), rtol=0, atol=1e-12)


def test_behind_a_flatten_every_place_has_its_own_weights():
    network, x = made("vgg3", (3, 16, 24), width=4, dense=None), noise(2, 3, 16, 24)
    weight = network.classes.weight.detach().reshape(4, 16, 2, 3)
    expected = (weight * features(network, x)[:, None]).sum(2)
    torch.testing.assert_close(activation_maps(network, x).maps, expected, rtol=0, atol=1e-12)


def test_behind_hidden_layers_it_is_features_times_gradient():
    network, x = made("vgg3", (3, 16, 16), width=4, dense=8), noise(2, 3, 16, 16)
    maps, logits = activation_maps(network, x)
    X = features(network, x)
    hidden = (X.flatten(1) @ network.dense.weight.T + network.dense.bias).detach()
    through = network.classes.weight.detach() * (hidden > 0)[:, None]
    gradient = (through @ network.dense.weight.detach()).reshape(2, 4, 16, 2, 2)
    torch.testing.assert_close(maps, (X[:, None] * gradient).sum(2), rtol=0, atol=1e-12)
    biases = through @ network.dense.bias.detach() + network.classes.bias.detach()
    torch.testing.assert_close(maps.sum((2, 3)) + biases, logits, rtol=0, atol=1e-12)


def two_by_two(shape: tuple[int, int], size: int, start: int) -> Partition:
    spans = [(0, size), (start, start + size)]
    return Partition(shape, tuple(Box((rows, columns)) for rows in spans for columns in spans))


def composed(network: nn.Module, partition: Partition, x: Tensor) -> tuple[list[nn.Module], list[tuple[Any, Any]]]:
    """Trained-looking local networks, of which the network is now made; and of each where its last map lies in the
    global one: the places of its rows and columns, and those that agree."""
    locals_ = [each.double() for each in decompose(network, partition, tuple(x.shape[1:]))]
    for k, local in enumerate(locals_):
        look_trained(local, seed=k)
    compose(network, locals_, partition)
    found = matched(network, locals_, partition, input_shape=tuple(x.shape[1:]))
    (node,) = [each for each in found.nodes[0] if each.name == last_map(network, x)]
    return locals_, [found.nodes[k][node].axes[2:] for k in range(len(partition))]


def summed(locals_: list[nn.Module], partition: Partition, where: list[Any], x: Tensor, whole: Tensor) -> Tensor:
    """The local maps, each at its offset."""
    total = torch.zeros_like(whole)
    for local, (rows, columns), box in zip(locals_, where, partition.split(x), strict=True):
        total[:, :, rows.index[:, None], columns.index] += activation_maps(local, box).maps
    return total


@pytest.mark.parametrize("dense", [None, 16])
@pytest.mark.parametrize(("size", "start", "overlap"), [(36, 24, False), (44, 16, True)])
def test_where_composing_is_exact_the_map_is_the_sum_of_the_local_ones_with_overlap_and_hidden_layers_too(
    size: int, start: int, overlap: bool, dense: int | None
):
    network, x = made("vgg3", (2, 60, 60), width=8, dense=dense, padding="valid"), noise(2, 2, 60, 60)
    partition = two_by_two((60, 60), size, start)
    locals_, where = composed(network, partition, x)
    maps = activation_maps(network, x).maps
    assert maps.shape == (2, 4, 5, 5)
    assert (set(where[0][0].index.tolist()) & set(where[3][0].index.tolist()) != set()) == overlap
    torch.testing.assert_close(maps, summed(locals_, partition, where, x, maps), rtol=0, atol=1e-12)
    assert maps.abs().amax() > 0.1


def test_with_padding_the_maps_agree_on_the_activation_fields_and_nowhere_is_that_claimed_beside_them():
    network, x = made("cnn5", (2, 24, 24), width=8, dense=None), noise(2, 2, 24, 24)
    partition = Partition.grid((24, 24), (2, 2))
    locals_, where = composed(network, partition, x)
    maps = activation_maps(network, x).maps
    gap = (maps - summed(locals_, partition, where, x, maps)).abs().amax((0, 1))
    inside = torch.zeros(12, 12, dtype=torch.bool)
    for rows, columns in where:
        inside[slice(*rows.field), slice(*columns.field)] = True
    assert int(inside.sum()) == 4 * 5 * 5
    assert gap[inside].max() < 1e-12
    assert gap[~inside].max() > 0.01


def test_behind_global_pooling_the_composed_map_is_the_sum_of_what_each_local_network_sees_in_the_whole_image():
    network, x = made("vgg3", (2, 64, 64), width=8, dense=None, head="pool"), noise(2, 2, 64, 64)
    partition = Partition.grid((64, 64), (2, 2))
    locals_, where = composed(network, partition, x)
    everywhere = [activation_maps(local, x).maps for local in locals_]
    maps = activation_maps(network, x).maps
    torch.testing.assert_close(maps, torch.stack(everywhere).sum(0), rtol=0, atol=1e-12)
    beside = (maps - summed(locals_, partition, where, x, maps) * (4 * 4) / (8 * 8)).abs()
    for (rows, columns), local, whole, box in zip(where, locals_, everywhere, partition.split(x), strict=True):
        field, agrees = ((..., slice(*a), slice(*b)) for a, b in ((rows.field, columns.field),
                                                                  (rows.agrees, columns.agrees)))  # fmt: skip
        assert whole[field].shape[2:] == (3, 3)
        own = activation_maps(local, box).maps
        torch.testing.assert_close(8 * 8 * whole[field], 4 * 4 * own[agrees], rtol=0, atol=1e-12)
        assert beside[field].min() > 1e-6  # the other networks look there too


def test_any_network_will_do_that_has_feature_maps():
    """Branches, in-place operations, unused layers, a head of convolutions: what users write."""
    for network in (models.Inception(), models.DenseBlock(), models.separable()):
        shape = models.IMAGE
        maps, logits = activation_maps(network.double(), noise(2, *shape))
        assert maps.shape[:2] == logits.shape == (2, 4)
    inplace: Any = headed(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.ReLU(inplace=True), nn.Dropout(0.5, inplace=True))
    maps, logits = activation_maps(inplace.double(), noise(2, *models.IMAGE))
    torch.testing.assert_close(maps.sum((2, 3)) + inplace[-1].bias.detach(), logits)
    assert inplace.training  # as it was
    convolved = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(5, 4, 1), nn.Flatten()).double()
    assert activation_maps(convolved, noise(2, *models.IMAGE)).maps.shape == (2, 4, 14, 14)
    dead = Network(
        lambda self, x: [h := self.conv(x), self.unused(x), self.head(h.mean((2, 3)))][2],
        conv=nn.Conv2d(3, 5, 3), unused=nn.Conv2d(3, 5, 5), head=nn.Linear(5, 4),
    )  # fmt: skip
    assert last_map(dead, torch.zeros(1, *models.IMAGE)) == "conv"


def test_one_name_compares_the_same_operation_where_a_local_map_has_a_single_place():
    network, x = made("vgg3", (3, 16, 16), width=4), noise(2, 3, 16, 16)
    partition = Partition.grid((16, 16), (2, 2))
    (local, *_) = decompose(network, partition, (3, 16, 16))
    box = partition.split(x)[0]
    at = last_map(network, x)
    assert (at, last_map(local.double(), box)) == ("features_11", "features_10")  # before its last pooling: 2 x 2
    assert activation_maps(local, box, at).maps.shape == (2, 4, 1, 1)


def test_networks_without_maps_or_scores_are_refused():
    x = noise(2, 1, 8, 8)
    dense = made("mlp", (1, 8, 8), dense=8)
    assert last_map(dense, x) is None
    with pytest.raises(ValueError, match="no feature maps behind a convolution"):
        activation_maps(dense, x)
    with pytest.raises(ValueError, match=r"by its score, \[images, classes\], made of '_0'"):
        activation_maps(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).double(), x, "_0")
    with pytest.raises(ValueError, match="made of 'nowhere'"):
        activation_maps(made("cnn5", (1, 8, 8), dense=8), x, "nowhere")


def test_enlarged_maps_keep_their_values_at_the_middles_of_their_places():
    maps = noise(2, 3, 4)
    large = enlarged(maps, (9, 12))  # an odd factor: a place has a pixel in its middle
    torch.testing.assert_close(large[:, 1::3, 1::3], maps)
    assert enlarged(noise(2, 3), (7,)).shape == (2, 7)
    assert enlarged(noise(2, 3, 2, 2), (7, 4, 5)).shape == (2, 7, 4, 5)


def test_local_maps_lie_at_their_boxes_and_are_averaged_where_these_overlap():
    partition = Partition.grid((24, 24), (1, 2), overlap=4)
    locals_ = [made("cnn5", (2, 24, 16), width=4, dense=8), made("vgg3", (2, 24, 16), width=4, dense=8)]
    x, y = noise(3, 2, 24, 24), torch.tensor([0, 3, 1])
    found = look(locals_, partition, x, y)
    own = [activation_maps(local, box) for local, box in zip(locals_, partition.split(x), strict=True)]
    left, right = (enlarged(torch.stack([maps[i, c] for i, c in enumerate(y)]), (24, 16)) for maps, _ in own)
    torch.testing.assert_close(found.maps[..., :8], left[..., :8])
    torch.testing.assert_close(found.maps[..., 16:], right[..., 8:])
    torch.testing.assert_close(found.maps[..., 8:16], (left[..., 8:] + right[..., :8]) / 2)
    assert torch.equal(found.says, torch.stack([own[0].logits.argmax(1), own[1].logits.argmax(1)], 1))


def test_pictures_are_thinned_and_of_volumes_the_middle_slice_is_shown():
    none = torch.zeros(2, 1)
    assert pictures([Look(noise(2, 150, 90), none)] * 3).shape == (3, 2, SIDE, 38)
    volumes = [Look(noise(2, 5, 8, 6), none), Look(noise(2, 5, 8, 6) + 1, none)]
    np.testing.assert_allclose(pictures(volumes), np.stack([look.maps[:, 2].numpy() for look in volumes]))
    with pytest.raises(ValueError, match="two or three axes, these have 1"):
        pictures([Look(noise(2, 9), none)])
