"""What the convolutional families are made of, for inputs (channels, *spatial) with one, two or three spatial axes.

torch has a class for every number of axes; the tables say which. A network is an `nn.Sequential` of named parts, so
that a layer's name says where it stands: `features.stage2.0.residual.3`, `dense`, `classes`.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from torch import nn

from schwarz.families import Head
from schwarz.shrinking import least, left, one_of
from schwarz.windows import Window

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVERAGE_POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
GLOBAL_POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


def conv(axes: int, inputs: int, outputs: int, window: Window, bias: bool) -> nn.Module:
    """The convolution that does this to each of its spatial axes."""
    return CONV[axes](inputs, outputs, window.taps, window.stride, window.padding[0], bias=bias)


def spatial_axes(input_shape: Sequence[int]) -> int:
    """How many axes an input has beside its channels."""
    axes = len(input_shape) - 1
    if axes not in CONV:
        raise ValueError(f"an input of {list(input_shape)}: give (channels, *spatial) with one to three spatial axes")
    return axes


def mapped(input_shape: Sequence[int], windows: Sequence[Window]) -> tuple[int, ...]:
    """The spatial axes of the last map."""
    sizes = tuple(left(n, windows) for n in input_shape[1:])
    if not all(sizes):
        raise ValueError(
            f"an input of {list(input_shape)} is too small: the network needs {least(windows)} along each spatial axis"
        )
    return sizes


def headed(
    features: nn.Module, last_map: Sequence[int], classes: int, dense: Sequence[int], head: Head,
    activation: type[nn.Module] = nn.ReLU,
) -> list[tuple[str, nn.Module]]:  # fmt: skip
    """Named parts of a network: `features` that make maps [batch, *last_map], then dense layers, then the logits."""
    channels, *spatial = last_map
    parts: list[tuple[str, nn.Module]] = [("features", features)]
    if one_of(Head, "head", head) == "pool":
        parts.append(("pool", GLOBAL_POOL[len(spatial)](1)))
    inputs = channels if head == "pool" else channels * math.prod(spatial)
    parts += [("flatten", nn.Flatten()), *stacked(inputs, dense, activation)]
    return [*parts, ("classes", nn.Linear((inputs, *dense)[-1], classes))]


def stacked(inputs: int, widths: Iterable[int], activation: type[nn.Module] = nn.ReLU) -> list[tuple[str, nn.Module]]:
    """Dense layers with their activations: `dense`, `relu`, `dense2`, `relu2`, ..."""
    parts: list[tuple[str, nn.Module]] = []
    name = activation.__name__.lower()
    for number, width in enumerate(widths, 1):
        suffix = str(number) if number > 1 else ""
        parts += [(f"dense{suffix}", nn.Linear(inputs, width)), (f"{name}{suffix}", activation())]
        inputs = width
    return parts


def sequential(parts: Iterable[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(OrderedDict(parts))
