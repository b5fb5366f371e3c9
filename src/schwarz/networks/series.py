"""A convolutional network along one axis: document 3, section 2.4, for signals and time series (channels, time)."""

from collections.abc import Sequence

from schwarz.families import Head, defaults_of
from schwarz.networks.vgg import VGG
from schwarz.shrinking import Padding


@defaults_of("cnn1d")
def cnn1d(
    input_shape: Sequence[int], classes: int, *, width: int, dense: int | None, padding: Padding, head: Head
) -> VGG:
    """Three stages of one 5-wide convolution and a pooling; the widths are ours."""
    return VGG(input_shape, classes, [[width * 2**stage] for stage in range(3)], dense, padding, head, taps=5)
