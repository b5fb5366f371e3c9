"""The two small networks of document 4, a poster: it says which layers they have, not how wide they are."""

from collections.abc import Sequence

from torch import nn

from schwarz.families import Head, defaults_of
from schwarz.networks.dense import mlp
from schwarz.networks.vgg import VGG
from schwarz.shrinking import Padding


@defaults_of("ffn2")
def ffn2(input_shape: Sequence[int], classes: int, *, dense: int) -> nn.Sequential:
    """The feedforward network: two fully connected layers, the second being the classes."""
    return mlp(input_shape, classes, dense=dense, hidden=1)


@defaults_of("cnn5")
def cnn5(
    input_shape: Sequence[int], classes: int, *, width: int, dense: int | None, padding: Padding, head: Head
) -> VGG:
    """The convolutional network: two convolutions, one max-pooling, three fully connected layers."""
    return VGG(input_shape, classes, [[width, 2 * width]], dense, padding, head, hidden=2, norm=False)
