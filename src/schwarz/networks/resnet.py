"""The residual networks of documents 1 and 3: y = relu(F(x) + x), equation (2.24).

Without padding x is cropped to the size of F(x), equation (2.25). Where F has a stride or makes more channels, x goes
through a 1-wide convolution of that stride. ResNet20, 32, 56 and 110 (three stages of n units of two convolutions) are
He's for CIFAR-10 as Keras has them: convolutions with biases, projections without BatchNorm. Document 1 describes other
shortcuts, from each block to "its third subsequent block"; these go around two convolutions. ResNet50 and ResNet101
(units of 1, 3 and 1 taps) are there twice: torchvision's (no biases, the stride on the 3-wide convolution) are those of
Table 2.2, Keras' (biases, the stride on the first 1-wide one) with a dense layer those of Table 3.4.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from schwarz import shrinking
from schwarz.families import Head, defaults_of
from schwarz.networks.parts import MAX_POOL, NORM, conv, headed, mapped, sequential, spatial_axes
from schwarz.shrinking import Convention, Padding, convolution, margin
from schwarz.windows import Window


class Crop(nn.Module):
    """A map [batch, channels, *spatial] without its outermost pixels."""

    def __init__(self, pixels: int, axes: int) -> None:
        super().__init__()
        self.inner = (..., *[slice(pixels, -pixels)] * axes)

    def forward(self, x: Tensor) -> Tensor:
        return x[self.inner]


class Unit(nn.Module):
    """y = relu(F(x) + x), with x cropped and projected to the shape of F(x) where it has another one."""

    def __init__(self, residual: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.residual, self.shortcut, self.relu = residual, shortcut, nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.residual(x) + self.shortcut(x))


def unit(
    axes: int, inputs: int, widths: Sequence[int], windows: Sequence[Window], bias: bool, normed_projection: bool
) -> Unit:
    """A unit whose convolutions have these widths and windows, each followed by BatchNorm."""
    stride, crop = max(window.stride for window in windows), margin(windows)
    residual: list[nn.Module] = []
    for before, width, window in zip((inputs, *widths), widths, windows, strict=False):
        residual += [conv(axes, before, width, window, bias), NORM[axes](width), nn.ReLU()]
    shortcut: list[nn.Module] = [Crop(crop, axes)] if crop else []
    if stride > 1 or inputs != widths[-1]:
        shortcut.append(conv(axes, inputs, widths[-1], Window(1, stride), bias))
        shortcut += [NORM[axes](widths[-1])] if normed_projection else []
    return Unit(nn.Sequential(*residual[:-1]), nn.Sequential(*shortcut))  # the last ReLU follows the addition


@defaults_of("resnet20")
def cifar_resnet(
    input_shape: Sequence[int], classes: int, *, n: int, width: int, dense: int | None, padding: Padding, head: Head
) -> nn.Sequential:
    """ResNet 6n + 2: w, 2w and 4w channels; w is 16 in He's paper, 64 in document 3."""
    axes = spatial_axes(input_shape)
    first = conv(axes, input_shape[0], width, convolution(3, padding), bias=True)
    stages, inputs = [("stem", nn.Sequential(first, NORM[axes](width), nn.ReLU()))], width
    for stage, strides in enumerate(shrinking.strides([n] * 3)):
        outputs, units = width * 2**stage, []
        for stride in strides:
            units.append(unit(axes, inputs, [outputs] * 2, shrinking.basic(padding, stride), True, False))
            inputs = outputs
        stages.append((f"stage{stage + 1}", nn.Sequential(*units)))
    last_map = (inputs, *mapped(input_shape, shrinking.cifar_resnet(n, padding)))
    return sequential(headed(sequential(stages), last_map, classes, [dense] if dense else [], head))


@defaults_of("resnet50")
def bottleneck_resnet(
    input_shape: Sequence[int],
    classes: int,
    *,
    layers: int,
    convention: Convention = "torchvision",
    width: int,
    dense: int | None,
    padding: Padding,
    head: Head,
) -> nn.Sequential:
    """ResNet50 or ResNet101: stages of w, 2w, 4w and 8w channels, four times as many at the end of each unit."""
    axes, bias = spatial_axes(input_shape), convention == "keras"
    first, pooling = shrinking.bottleneck_stem(padding)
    pool = MAX_POOL[axes](pooling.taps, pooling.stride, pooling.padding[0])
    stem = conv(axes, input_shape[0], width, first, bias), NORM[axes](width), nn.ReLU(), pool
    stages, inputs = [("stem", nn.Sequential(*stem))], width
    for stage, strides in enumerate(shrinking.strides(shrinking.UNITS[layers])):
        inner, units = width * 2**stage, []
        for stride in strides:
            windows = shrinking.bottleneck(padding, stride, convention)
            units.append(unit(axes, inputs, (inner, inner, 4 * inner), windows, bias, True))
            inputs = 4 * inner
        stages.append((f"stage{stage + 1}", nn.Sequential(*units)))
    last_map = (inputs, *mapped(input_shape, shrinking.bottleneck_resnet(layers, padding, convention)))
    return sequential(headed(sequential(stages), last_map, classes, [dense] if dense else [], head))
