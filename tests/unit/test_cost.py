"""Cost of networks small enough to be counted by hand."""

import gc
import re

import pytest
import torch
from torch import Tensor, nn

from schwarz.cost import Ratio, cost, costs
from schwarz.meter import Layer, Meter
from schwarz.partition import Partition


@pytest.mark.parametrize(
    ("layer", "input_shape", "flops"),
    [
        # positions x (2 x channels x taps - 1) x outputs
        (nn.Conv2d(3, 8, 3, padding=1), (3, 10, 12), 120 * (2 * 3 * 9 - 1) * 8),
        (nn.Conv2d(3, 8, 3), (3, 10, 12), 80 * (2 * 3 * 9 - 1) * 8),
        (nn.Conv2d(3, 8, 3, padding=1, bias=False), (3, 10, 12), 120 * 53 * 8),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 10, 12), 30 * 53 * 8),
        (nn.Conv2d(6, 8, (1, 3), groups=2), (6, 10, 12), 100 * (2 * 3 * 3 - 1) * 8),
        (nn.Conv2d(6, 6, 3, padding="same", groups=6), (6, 10, 12), 120 * (2 * 9 - 1) * 6),
        (nn.Conv1d(2, 4, 5), (2, 12), 8 * (2 * 2 * 5 - 1) * 4),
        (nn.Conv3d(2, 4, (3, 2, 1)), (2, 5, 5, 5), 3 * 4 * 5 * (2 * 2 * 6 - 1) * 4),
        (nn.ConvTranspose2d(3, 2, 2, stride=2), (3, 4, 4), 2 * 48 * 8 - 128),
        (nn.Linear(7, 5), (7,), (2 * 7 - 1) * 5),
        (nn.Linear(7, 5), (6, 7), 6 * 13 * 5),
        # steps x ((2 x inputs - 1) + (2 x states - 1)) x gates x states
        (nn.RNN(3, 4, batch_first=True), (6, 3), 6 * (5 + 7) * 4),
        (nn.GRU(3, 4, batch_first=True), (6, 3), 6 * (5 + 7) * 3 * 4),
        (nn.LSTM(3, 4, batch_first=True), (6, 3), 6 * (5 + 7) * 4 * 4),
        (nn.LSTM(3, 4), (6, 3), 6 * (5 + 7) * 4 * 4),
        (nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True), (6, 3), 6 * 2 * 16 * ((5 + 7) + (15 + 7))),
        pytest.param(
            nn.LSTM(3, 4, batch_first=True, proj_size=2),
            (6, 3),
            6 * ((5 + 3) * 16 + 7 * 2),
            marks=pytest.mark.filterwarnings("ignore:LSTM with projections"),
        ),
        (nn.LSTMCell(3, 4), (3,), (5 + 7) * 16),
        (nn.BatchNorm2d(3), (3, 4, 4), 0),
        (nn.LayerNorm([3, 4]), (3, 4), 0),
        (nn.MaxPool2d(2), (3, 4, 4), 0),
    ],
)
def test_operations_are_those_of_equation_2_10(layer: nn.Module, input_shape: tuple[int, ...], flops: int) -> None:
    found = cost(layer, input_shape)
    assert found.flops == flops
    assert found.uncounted == ()
    assert found.parameters == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize(
    ("layer", "input_shape", "values"),
    [
        (nn.Conv2d(3, 8, 3, stride=2), (3, 11, 11), 8 * 25),
        (nn.Sequential(nn.Linear(7, 5), nn.ReLU()), (7,), 10),
        (nn.Sequential(nn.Linear(7, 5), nn.ReLU(inplace=True)), (7,), 5),
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten(), nn.Identity()), (2, 8), 4 * 6),
        (nn.Sequential(nn.Linear(7, 5), nn.Dropout()), (7,), 10),
        (nn.Sequential(nn.Linear(7, 5), nn.Dropout(inplace=True)), (7,), 5),
        (nn.LSTM(3, 4, batch_first=True), (6, 3), 6 * 4),
        (nn.GRU(3, 4, 3, batch_first=True, bidirectional=True), (6, 3), 6 * 4 * 2 * 3),
        (nn.RNNCell(3, 4), (3,), 4),
        (nn.LSTMCell(3, 4), (3,), 8),
    ],
)
def test_activations_are_what_the_layers_put_out(layer: nn.Module, input_shape: tuple[int, ...], values: int) -> None:
    assert cost(layer, input_shape).activations == values


def small(size: int, width: int = 8) -> nn.Sequential:
    """Two convolutions, a pooling, two dense layers, for images of `size` pixels along each axis."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(width * (size // 2) ** 2, 4 * width), nn.ReLU(), nn.Linear(4 * width, 10),
    )  # fmt: skip


class Twice(nn.Module):
    """One layer called twice, one written as functions, an addition, weights that two layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.kernel = nn.Parameter(torch.ones(6, 4))
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.inner.weight

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.inner(torch.relu(self.inner(x)))
        return nn.functional.linear(self.tied(x), self.kernel)


def test_a_layer_called_twice_has_its_operations_twice_and_its_parameters_once() -> None:
    found = cost(Twice(), (4,))
    assert found.layers == (
        Layer("inner", "Linear", (4,), 20, 2 * 28, 2 * 4),
        Layer("", "relu", (4,), 0, 0, 4),
        Layer("", "add", (4,), 0, 0, 4),
        Layer("tied", "Linear", (4,), 4, 28, 4),
        Layer("", "linear", (6,), 0, 42, 6),
        Layer("", "Twice", (), 24, 0, 0),
    )
    assert found.parameters == sum(layer.parameters for layer in found.layers) == 48
    assert found.uncounted == ()


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(4, 2, batch_first=True)
        self.spare = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.heads(x, x, x)[0] @ x.transpose(1, 2)


def test_what_has_no_rule_is_named() -> None:
    found = cost(Attention(), (3, 4))
    assert found.uncounted == (
        "heads: multi_head_attention_forward has no rule",
        "spare: no operation takes its weights",
    )
    assert found.flops == 3 * 3 * 7  # the product of the two activations alone


def test_parameters_are_counted_as_torch_and_as_keras_do() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 2, 1, bias=False))
    module[2].weight.requires_grad_(False)
    found = cost(module, (3, 8, 8))
    assert found.parameters == (3 * 9 + 1) * 8 + 2 * 8
    assert found.keras_parameters == (3 * 9 + 1) * 8 + 4 * 8 + 16


@pytest.mark.parametrize(("dtype", "size"), [(torch.float64, 8), (torch.float32, 4), (torch.bfloat16, 2)])
def test_memory_follows_the_dtype(dtype: torch.dtype, size: int) -> None:
    found = cost(nn.Sequential(nn.Linear(7, 5), nn.ReLU()).to(dtype), (7,))
    assert found.activation_bytes == size * 10
    assert found.optimizer_bytes == size * 4 * 40


def meters() -> int:
    """How many are still held, as by a hook that was left behind."""
    gc.collect()
    return sum(type(each) is Meter for each in gc.get_objects())


def test_the_network_is_as_before() -> None:
    module = small(8)
    module[1].eval()
    module[3].weight.requires_grad_(False)
    modes = [each.training for each in module.modules()]
    state = {name: value.clone() for name, value in module.state_dict().items()}
    cost(module, (3, 8, 8))
    assert [each.training for each in module.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert meters() == 0


@pytest.mark.parametrize(("shape", "layer"), [((2, 8, 8), "0"), ((3, 12, 12), "8"), ((3, 8), "0"), ((3, 1, 1), "6")])
def test_an_input_that_does_not_fit_is_refused_with_the_layer(shape: tuple[int, ...], layer: str) -> None:
    module = small(8).train()
    place = re.escape(f"does not take an input of shape {shape}, at layer '{layer}': ")
    with pytest.raises(ValueError, match=place):
        cost(module, shape)
    assert module[1].training
    assert meters() == 0


def test_a_local_network_costs_the_fractions_that_the_paper_derives() -> None:
    found = costs(small(32, 32), Partition.grid((32, 32), (2, 2)), (3, 32, 32))
    assert len(found.locals) == 4
    by_layer = {whole.name: (local, ratio) for whole, local, ratio in found.layer_ratios(3)}
    local, ratio = by_layer["0"]
    assert local.shape == (8, 16, 16)
    assert ratio == Ratio(parameters=4, flops=16, activations=16)  # the first layer: 1/K, 1/K^2, 1/K^2
    _, ratio = by_layer["3"]
    assert ratio.parameters == pytest.approx(16, rel=0.02)  # but for the biases
    assert ratio.flops == pytest.approx(64, rel=0.01)  # 1/K^3, but for the - 1 of (2.10)
    _, ratio = by_layer["6"]
    assert ratio == Ratio(parameters=None, flops=None, activations=16)  # pooling
    _, ratio = by_layer["8"]
    assert ratio.flops == pytest.approx(64, rel=0.01)  # the first dense layer: 4 x fewer inputs, pixels and outputs
    _, ratio = by_layer["10"]
    assert ratio.flops == pytest.approx(4, rel=0.02)  # the last layer: 1/K
    total = found.ratio(0)
    assert total.flops == found.global_.flops / found.locals[0].flops
    assert total.parameters == found.global_.parameters / found.locals[0].parameters
    assert total.activations == pytest.approx(16, rel=0.01)


def test_a_larger_box_costs_more() -> None:
    found = costs(small(24, 9), Partition.grid((24, 24), (3, 1), overlap=2), (3, 24, 24))
    edge, middle, other = found.locals
    assert edge == other
    assert middle.activations > edge.activations


@pytest.mark.parametrize(
    ("network", "input_shape"), [(small(8), (3, 8, 8)), (nn.LSTM(3, 4, batch_first=True), (5, 3)), (Twice(), (4,))]
)
def test_the_layers_add_up_to_the_total(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    found = cost(network, input_shape)
    assert found.parameters == sum(layer.parameters for layer in found.layers)
    assert found.flops == sum(layer.flops for layer in found.layers) > 0
    assert found.activations == sum(layer.activations for layer in found.layers) > 0
