"""The residual unit: what the shortcut adds is the input at the centre of what the convolutions see (2.24)-(2.26)."""

from typing import Any

import pytest
import torch
from torch import nn

from schwarz import shrinking
from schwarz.networks import BUILDERS
from schwarz.networks.resnet import Unit, unit

WINDOWS: dict[str, Any] = {
    "basic": shrinking.basic,
    "torchvision": lambda padding, stride: shrinking.bottleneck(padding, stride, "torchvision"),
    "keras": lambda padding, stride: shrinking.bottleneck(padding, stride, "keras"),
}


def delta(convolution: Any) -> None:
    """The kernel K_W of (2.25): one at its centre."""
    nn.init.zeros_(convolution.weight)
    convolution.weight.data[(..., *(n // 2 for n in convolution.kernel_size))] = 1
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


@pytest.mark.parametrize("n", [15, 16])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", WINDOWS)
def test_cropping_is_convolving_with_a_centred_one(kind: str, padding: str, stride: int, n: int) -> None:
    windows = WINDOWS[kind](padding, stride)
    one = unit(2, 1, [1] * len(windows), windows, True, False).eval()
    for layer in one.modules():
        if isinstance(layer, nn.Conv2d):
            delta(layer)
    x = torch.rand(3, 1, n, n)
    with torch.no_grad():
        torch.testing.assert_close(one.residual(x), one.shortcut(x), rtol=1e-4, atol=0)  # BatchNorm's epsilon


def test_what_is_negative_is_added_before_it_is_cut_off() -> None:
    one = unit(2, 1, [1, 1], shrinking.basic("same", 1), True, False).eval()
    convolutions = [layer for layer in one.residual if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        delta(layer)
    nn.init.constant_(convolutions[1].weight[..., 1, 1], -1)  # F(x) = -x
    x = torch.rand(3, 1, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(one(x), torch.zeros_like(x), rtol=0, atol=1e-4)


def units(family: str, **choices: Any) -> list[Unit]:
    return [
        layer for layer in BUILDERS[family]((3, 64, 64), 10, width=4, **choices).modules() if isinstance(layer, Unit)
    ]


def strided(unit: Unit) -> list[int]:
    """The stride of each of its convolutions."""
    return [layer.stride[0] for layer in unit.residual if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize(
    ("family", "where", "number"),
    [("resnet20", [2, 1], 2), ("resnet50", [1, 2, 1], 3), ("resnet50-keras", [2, 1, 1], 3)],
)
def test_the_convention_says_where_the_stride_is(family: str, where: list[int], number: int) -> None:
    assert [strided(unit) for unit in units(family) if 2 in strided(unit)] == [where] * number


@pytest.mark.parametrize(
    ("family", "biased", "projections", "normalised"),
    [("resnet20", True, 2, 0), ("resnet50", False, 4, 4), ("resnet50-keras", True, 4, 4)],
)
def test_the_convention_says_what_has_a_bias_and_what_is_normalised(
    family: str, biased: bool, projections: int, normalised: int
) -> None:
    network = BUILDERS[family]((3, 64, 64), 10, width=4)
    assert {layer.bias is not None for layer in network.modules() if isinstance(layer, nn.Conv2d)} == {biased}
    shortcuts = [list(unit.shortcut) for unit in units(family)]
    assert sum(isinstance(layer, nn.Conv2d) for layers in shortcuts for layer in layers) == projections
    assert sum(isinstance(layer, nn.BatchNorm2d) for layers in shortcuts for layer in layers) == normalised


@pytest.mark.parametrize(
    ("family", "layers"), [("resnet20", 20), ("resnet110", 110), ("resnet50", 50), ("resnet101", 101)]
)
def test_the_number_in_the_name_counts_the_layers_with_weights(family: str, layers: int) -> None:
    network = BUILDERS[family]((3, 64, 64), 10, width=4)
    shortcuts = {layer for unit in network.modules() if isinstance(unit, Unit) for layer in unit.shortcut}
    weighted = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len([layer for layer in weighted if layer not in shortcuts]) == layers
