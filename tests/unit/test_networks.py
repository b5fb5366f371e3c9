"""Every family: parameters to the digit, one set of facts, torch.fx, one to three axes, its local networks."""

import inspect
from functools import partial
from typing import Any, get_args

import pytest
import torch
from torch import fx, nn

from schwarz.config import Network
from schwarz.config.network import FamilyName
from schwarz.decomposition import decompose
from schwarz.errors import WrongInput
from schwarz.families import FAMILIES
from schwarz.networks import BUILDERS, build, count_parameters, count_values, initialise, standard
from schwarz.partition import Partition
from schwarz.reading import build as configured
from schwarz.shrinking import least

CONVOLUTIONAL = [name for name, family in FAMILIES.items() if "padding" in family.own]
SMALL: dict[str, Any] = {"width": 8, "dense": 8}


@pytest.mark.parametrize(
    ("family", "width", "trainable", "as_keras"),
    [
        ("resnet20", 64, 4_330_122, 4_335_626),
        ("resnet32", 64, 7_432_074, 7_441_162),
        ("resnet56", 64, 13_635_978, 13_652_234),
        ("resnet110", 64, 27_594_762, 27_627_146),
        ("resnet20", 16, 273_066, 274_442),
        ("resnet50", 64, 25_557_032, 25_610_152),
        ("resnet101", 64, 44_549_160, 44_654_504),
        ("resnet50-keras", 64, 25_736_293, 25_789_413),
        ("resnet101-keras", 64, 44_754_533, 44_859_877),
        ("vgg16", 64, 138_357_544, 138_357_544),
        ("lenet5", 6, 61_706, 61_706),
    ],
)
def test_parameters_of_the_global_networks(family: Any, width: int, trainable: int, as_keras: int) -> None:
    about = FAMILIES[family]
    network = build(Network(family=family, width=width), about.input_shape, about.classes or 0)
    assert (count_parameters(network), count_values(network)) == (trainable, as_keras)


@pytest.mark.parametrize(
    ("family", "boxes", "count", "values"),
    [
        ("resnet20", (2, 2), count_values, 274_442),
        ("resnet32", (2, 2), count_values, 470_218),
        ("resnet56", (2, 2), count_values, 861_770),
        ("resnet110", (2, 2), count_values, 1_742_762),
        ("vgg16", (2, 2), count_parameters, 4_176_056),
        ("resnet50", (2, 2), count_parameters, 1_993_976),
        ("resnet101", (2, 2), count_parameters, 3_190_776),
        ("resnet50-keras", (2, 2), count_values, 1_658_181),
        ("resnet50-keras", (2, 4), count_values, 430_037),
        ("resnet50-keras", (4, 4), count_values, 115_293),
        ("resnet101-keras", (2, 2), count_values, 2_874_565),
        ("resnet101-keras", (2, 4), count_values, 742_293),
        ("resnet101-keras", (4, 4), count_values, 197_437),
    ],
)
def test_parameters_of_the_local_networks(family: str, boxes: tuple[int, int], count: Any, values: int) -> None:
    shape = FAMILIES[family].input_shape
    locals_ = decompose(standard(family), Partition.grid(shape[1:], boxes), shape)
    assert [count(local) for local in locals_] == [values] * len(locals_)


def test_the_tables_of_families_name_the_same_ones() -> None:
    assert list(BUILDERS) == list(FAMILIES)
    assert set(get_args(FamilyName)) == {name for name, family in FAMILIES.items() if family.takes_images}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_by_itself_is_what_its_builder_makes_by_default(family: str) -> None:
    parameters = inspect.signature(BUILDERS[family]).parameters
    assert {name: parameters[name].default for name in FAMILIES[family].own} == FAMILIES[family].own


@pytest.mark.parametrize("family", FAMILIES)
def test_torch_fx_traces_it_and_computes_the_same(family: str) -> None:
    about = FAMILIES[family]
    small = {name: 8 for name in about.own if name in SMALL}
    shape = about.input_shape if about.input_shape[-1] != 224 else (3, 64, 64)
    network = BUILDERS[family](shape, *([] if about.classes is None else [5]), **small).eval()
    x = torch.randn(2, *shape)
    with torch.no_grad():
        assert torch.equal(fx.symbolic_trace(network)(x), network(x))


@pytest.mark.parametrize("head", ["flatten", "pool"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("family", CONVOLUTIONAL)
def test_same_and_valid_flattened_and_pooled_along_one_axis(family: str, padding: Any, head: str) -> None:
    """Boxes of different lengths, the shorter as short as the family allows, so that no map is larger than it says."""
    n = least(FAMILIES[family].windows(padding))
    make = partial(BUILDERS[family], classes=5, **SMALL, padding=padding, head=head)
    partition = Partition.grid((2 * n + 3,), (2,))
    check_locals(make((2, 2 * n + 3)), partition, (2, 2 * n + 3))


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("family", ["vgg3", "vgg9", "plain11", "resnet20", "resnet50", "lenet5", "cnn5", "mlp"])
def test_images_and_volumes_cut_along_every_axis(family: str, axes: int) -> None:
    own, choices = FAMILIES[family].own, {**SMALL, "padding": "same"}
    shape = (1, *[max(4, 2 * least(FAMILIES[family].windows("same")))] * axes)
    network = BUILDERS[family](shape, 5, **{name: value for name, value in choices.items() if name in own})
    check_locals(network, Partition.grid(shape[1:], (2,) * axes), shape)


def check_locals(network: nn.Module, partition: Partition, shape: tuple[int, ...]) -> None:
    """The network takes its inputs, every local network its own box, and all give scores of five classes."""
    x = torch.randn(2, *shape)
    locals_ = decompose(network.eval(), partition, shape)
    with torch.no_grad():
        for each, part in [(network, x), *zip(locals_, partition.split(x), strict=True)]:
            assert each(part).shape == (2, 5)


def test_the_autoencoder_gives_its_input_once_more_flattened() -> None:
    assert standard("autoencoder")(torch.zeros(2, 1, 28, 28)).shape == (2, 784)


def test_the_block_of_document_3_is_its_equations_step_by_step() -> None:
    network: Any = BUILDERS["recurrent"]((5, 3), 4, width=6).double()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    outputs = x
    for block in network.blocks:
        U, W, b = block.state.weight_ih_l0, block.state.weight_hh_l0, block.state.bias_ih_l0 + block.state.bias_hh_l0
        V, c = block.output.weight, block.output.bias
        s, o = torch.zeros(2, 6, dtype=torch.float64), []
        for t in range(5):
            s = torch.tanh(outputs[:, t] @ U.T + s @ W.T + b)
            o.append(torch.tanh(s @ V.T + c))
        outputs = torch.stack(o, 1)
    torch.testing.assert_close(network(x), network.classes(outputs[:, -1]))


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (Network(family="resnet20"), {"width": 64, "dense": None, "padding": "same", "head": "pool"}),
        (Network(family="lenet5", width=12), {"width": 12, "dense": 84, "padding": "valid", "head": "flatten"}),
        (Network(family="mlp", dense=10), {"dense": 10}),
    ],
)
def test_what_is_not_given_is_the_familys_own(given: Network, same: dict[str, Any]) -> None:
    assert given.choices == same


@pytest.mark.parametrize(
    ("family", "field", "value", "takes"),
    [("mlp", "width", 8, "dense"), ("ffn2", "padding", "valid", "dense"), ("mlp", "head", "pool", "dense")],
)
def test_what_cannot_be_chosen_is_refused(family: str, field: str, value: Any, takes: str) -> None:
    values = {"preset": "x", "network": {"family": family, field: value}}
    with pytest.raises(
        WrongInput, match=rf"network: {field} = {value!r}: {family} has no such thing; .*given {takes}\."
    ):
        configured(values, "here")


@pytest.mark.parametrize(
    ("family", "shape", "choice", "message"),
    [
        ("vgg9", (3, 64, 64), {"padding": "full"}, "padding 'full' is none of same, valid"),
        ("resnet50", (3, 64, 64), {"head": "flat"}, "head 'flat' is none of flatten, pool"),
        ("resnet50", (3, 64, 64), {"convention": "Keras"}, "convention 'Keras' is none of torchvision, keras"),
        ("lenet5", (3,), {}, r"an input of \[3\]: give \(channels, \*spatial\) with one to three spatial axes"),
        ("resnet20", (3, 2, 8, 8, 8), {}, r"an input of \[3, 2, 8, 8, 8\]: give \(channels"),
    ],
)
def test_an_unknown_word_does_not_pass_for_another(family: str, shape: Any, choice: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BUILDERS[family](shape, 10, **choice)


def test_weights_are_a_function_of_the_seed_alone_in_every_layer() -> None:
    first = initialise(BUILDERS["lstm"]((5, 3), 4, width=6), 3)
    second = initialise(BUILDERS["lstm"]((5, 3), 4, width=6), 3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
