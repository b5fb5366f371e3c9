"""What cannot be decomposed or composed is refused before anything changes, by name, value and remedy."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from schwarz import Box, Partition, compose, decompose
from schwarz.networks import vgg9
from tests.models import IMAGE, Network

PART = Partition.grid((16, 16), (2, 2))


class Scaled(nn.Module):
    """A channel scale, as in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


def around(layer: nn.Module) -> nn.Sequential:
    """The layer between a convolution and a dense layer on the map."""
    body = nn.Sequential(nn.Conv2d(3, 8, 3), layer)
    return nn.Sequential(OrderedDict(body=body, flatten=nn.Flatten(), head=nn.Linear(8 * 14 * 14, 4)))


def network() -> nn.Sequential:
    return around(nn.ReLU())


OPERATIONS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "depends on values": (lambda x: x if x.sum() > 0 else -x, r"'body.1' \(Network\) cannot be traced: .*control"),
    "a loop over the batch": (lambda x: torch.stack(list(x)), r"'body.1' \(Network\) cannot be traced"),
    "an unknown function": (lambda x: torch.fft.fft(x).real, r"operation 'body.1.fft_fft' cannot be composed"),
    "an unknown method": (lambda x: x.cumsum(1), r"operation 'body.1.cumsum' cannot be composed"),
    "weights in a function": (lambda x: F.conv2d(x, torch.ones(8, 8, 1, 1)), r"operation 'body.1.conv2d' cannot"),
    "a shape written down": (lambda x: x.view(-1, 8 * 14 * 14),
                             r"operation 'body.1.view': shape \[-1, 1568\] does not fit the \[2, 6, 6\] of box 0"),
    "half of the channels": (lambda x: x[:, :4], r"operation 'body.1.getitem': a slice of channels"),
}  # fmt: skip


@pytest.mark.parametrize(("operation", "message"), OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_that_has_no_rule_is_named_with_its_path(operation, message):
    with pytest.raises(ValueError, match=message):
        decompose(around(Network(lambda _, x: operation(x))), PART, IMAGE)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.LocalResponseNorm(2), "layer 'body.1': LocalResponseNorm cannot be composed"),
        (nn.TransformerEncoderLayer(14, 2, batch_first=True), "'body.1': TransformerEncoderLayer cannot be composed"),
        (nn.MaxPool2d(2, return_indices=True), "layer 'body.1': pooling that returns indices"),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 1)), "layer 'body.1' computes its weight from others"),
        (nn.Conv2d(4, 8, 1), r"layer 'body.1' takes 4 channels on 2 axes, but is given \[8, 14, 14\]"),
        (Scaled(), "'body.1.gamma' is a parameter that is used outside a layer"),
    ],
)  # fmt: skip
def test_a_layer_that_has_no_rule_is_named(layer, message):
    with pytest.raises(ValueError, match=message):
        decompose(around(layer), PART, IMAGE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Partition((16, 16), (Box(((0, 16), (8, 17))),)), "box 0 spans 8:17 on axis 1 of 16 pixels"),
        (lambda: Partition((16, 16), (Box(((4, 4), (0, 16))),)), "box 0 spans 4:4 .* hold a pixel"),
        (lambda: decompose(vgg9(IMAGE, 3), Partition.grid((16, 16), (4, 4)), IMAGE),
         "box 0 is too small for the network: 1 of its positions"),
        (lambda: decompose(nn.Sequential(nn.Conv2d(3, 3, 3), nn.Flatten(), nn.Linear(588, 4)), PART, IMAGE),
         "layer '0' has 3 channels for 4 local networks: one each at least. Make it wider or cut into 3 boxes"),
        (lambda: decompose(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=2)), PART, IMAGE),
         "layer '0' has 8 channels, in groups of 4 that a grouped convolution reads, for 4 local networks: .* 2 boxes"),
        (lambda: decompose(network(), PART, (3, 20, 20)), r"does not end in the partition's \(16, 16\)"),
        (lambda: decompose(network(), PART, IMAGE, task="clustering"), "task 'clustering' is none of classification, "),
        (lambda: compose(network(), [], PART), "0 local networks for 4 boxes"),
        (lambda: compose(network(), [nn.Identity()] * 4, PART), "local network 0 has no layer 'body.0'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_local_networks_of_another_module_are_refused_by_layer_and_both_shapes_and_nothing_changes():
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    locals_ = decompose(module, PART, IMAGE)
    locals_[3].set_submodule("head", nn.Linear(72, 5))
    with pytest.raises(ValueError, match=r"layer 'head' of local network 3 has weight \(5, 72\), not \(4, 72\)"):
        compose(module, locals_, PART)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_layers_that_leave_the_shape_of_an_input_open_ask_for_it():
    """The mean over the rows is of three values or of fifteen."""
    part = Partition.grid((8,), (2,))
    rows = Network(lambda _, x: x.unsqueeze(2) - x.unsqueeze(2).mean(3, keepdim=True))
    module = nn.Sequential(rows, nn.Flatten(), nn.Linear(5 * 3 * 8, 4))
    locals_ = decompose(module, part, (5, 3, 8))
    with pytest.raises(ValueError, match="leave the shape of an input open: say it by input_shape="):
        compose(module, locals_, part)
    compose(module, locals_, part, input_shape=(5, 3, 8))


def test_what_is_not_exact_is_refused_where_it_must_be_with_the_nearest_that_is_and_nothing_changes():
    module = vgg9((1, 32, 32), 3, width=8)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    part = Partition.grid((32, 32), (2, 2), overlap=4)
    locals_ = decompose(module, part, (1, 32, 32))
    with pytest.raises(
        ValueError, match=r"not exact but initialisation: layer 'features.\d+' would begin .*multiples of 8 x 8"
    ):
        compose(module, locals_, part, require="exact")
    with pytest.raises(ValueError, match="not field but initialisation"):
        compose(module, locals_, part, require="field")
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    quarters = Partition.grid((32, 32), (2, 2))
    compose(module, decompose(module, quarters, (1, 32, 32)), quarters, require="field")


def test_composing_keeps_the_parameters_themselves_their_gradients_off_and_the_same_answer_twice():
    module = network().double().eval()
    module.get_parameter("body.0.weight").requires_grad_(False)
    parameters = dict(module.named_parameters())
    locals_ = decompose(module, PART, IMAGE)
    assert not locals_[0].get_parameter("body.0.weight").requires_grad
    compose(module, locals_, PART)
    first = {name: value.clone() for name, value in module.state_dict().items()}
    compose(module, locals_, PART)
    assert all(torch.equal(value, first[name]) for name, value in module.state_dict().items())
    assert all(parameters[name] is parameter for name, parameter in module.named_parameters())
    assert not module.get_parameter("body.0.weight").requires_grad
    assert not module.training


def test_local_networks_can_be_saved_and_loaded_into_fresh_ones():
    module = network()
    trained = decompose(module, PART, IMAGE)
    loaded = decompose(network(), PART, IMAGE)
    for one, other in zip(trained, loaded, strict=True):
        other.load_state_dict(one.state_dict())
    first = compose(module, trained, PART).state_dict()
    second = compose(network(), loaded, PART).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("module", "partition", "shape", "message"),
    [
        (torch.relu, PART, IMAGE, "module is a builtin_function_or_method, not a Module"),
        (vgg9(IMAGE, 10), [[0, 8]], IMAGE, "partition is a list, not a Partition"),
        (vgg9(IMAGE, 10), PART, 16, r"input_shape 16: give the shape of one input, such as \(3, 32, 32\)"),
        (vgg9(IMAGE, 10), PART, (3, 16, None), r"input_shape \(3, 16, None\): give the shape"),
    ],
)
def test_arguments_of_another_kind_are_named(module, partition, shape, message: str):
    with pytest.raises((TypeError, ValueError), match=message):
        decompose(module, partition, shape)


def test_one_module_is_no_list_of_local_networks():
    network = vgg9(IMAGE, 10)
    with pytest.raises(TypeError, match="the local networks are a list of modules, not VGG"):
        compose(network, network, PART)  # pyright: ignore[reportArgumentType]


def test_a_shape_that_the_layers_leave_open_is_asked_for():
    """A mixer on rows: over their pixels, then over the rows; on one channel of them it fits as well."""
    network = Network(
        lambda n, x: n.head(n.over(n.along(x).transpose(1, 2)).flatten(1)),
        along=nn.Linear(6, 8), over=nn.Linear(8, 4), head=nn.Linear(32, 3),
    )  # fmt: skip
    part = Partition((8, 6), (Box(((4, 8), (0, 6))), Box(((0, 4), (0, 6)))))
    locals_ = decompose(network, part, (8, 6))
    with pytest.raises(ValueError, match="leave the shape of an input open: say it by input_shape="):
        compose(network, locals_, part)


def test_a_layer_made_in_forward_is_named_with_the_remedy():
    network = Network(lambda n, x: n.head(nn.ReLU()(n.body(x))), body=nn.Linear(8, 4), head=nn.Linear(4, 3))
    with pytest.raises(ValueError, match="Make its layers in __init__, and call them in forward"):
        decompose(network, Partition.grid((8,), (2,)), (8,))


def test_a_guessed_shape_that_does_not_fit_is_named_as_a_guess():
    network = Network(lambda n, x: n.head(x.amax(1).amax(1).flatten(1)), head=nn.Linear(8, 1))
    part = Partition((8,), (Box(((0, 4),)),))
    locals_ = decompose(network, part, (2, 6, 8))
    with pytest.raises(ValueError, match=r"for an input of \(\d.*\), a guess: input_shape= says it"):
        compose(network, locals_, part)
    compose(network, locals_, part, input_shape=(2, 6, 8))
