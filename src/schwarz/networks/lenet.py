"""LeNet5 (document 5): two 5-wide convolutions with average pooling, dense layers of 120 and 84 neurons, tanh.

Without the trained scale of the original's poolings, and with plain dense outputs: 61,706 parameters for ten classes of
1x32x32. Its convolutions do not pad.
"""

from collections.abc import Sequence

from torch import nn

from schwarz.families import Head, defaults_of
from schwarz.networks.parts import AVERAGE_POOL, conv, headed, mapped, sequential, spatial_axes
from schwarz.shrinking import HALVING, Padding, convolution


@defaults_of("lenet5")
def lenet5(
    input_shape: Sequence[int], classes: int, *, width: int, dense: int | None, padding: Padding, head: Head
) -> nn.Sequential:
    """`width` and 8/3 `width` channels, 10/7 `dense` and `dense` neurons: 6, 16, 120, 84 are LeCun's."""
    axes, channels, window = spatial_axes(input_shape), width * 8 // 3, convolution(5, padding)
    spatial = mapped(input_shape, [window, HALVING] * 2)
    features = nn.Sequential(
        *(conv(axes, input_shape[0], width, window, bias=True), nn.Tanh(), AVERAGE_POOL[axes](2)),
        *(conv(axes, width, channels, window, bias=True), nn.Tanh(), AVERAGE_POOL[axes](2)),
    )
    widths = (dense * 10 // 7, dense) if dense else ()
    return sequential(headed(features, (channels, *spatial), classes, widths, head, nn.Tanh))
