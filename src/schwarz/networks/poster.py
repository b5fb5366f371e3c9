"""The two small networks of document 4, a poster: it says which layers they have, not how wide they are."""

from collections.abc import Sequence

from torch import nn

from schwarz.families import Head
from schwarz.networks.dense import mlp
from schwarz.networks.vgg import VGG
from schwarz.shrinking import Padding


def ffn2(input_shape: Sequence[int], classes: int, dense: int = 128) -> nn.Sequential:
    """The feedforward network: two fully connected layers, the second being the classes."""
    return mlp(input_shape, classes, dense, hidden=1)


def cnn5(
    input_shape: Sequence[int],
    classes: int,
    width: int = 32,
    dense: int | None = 128,
    padding: Padding = "same",
    head: Head = "flatten",
) -> VGG:
    """The convolutional network: two convolutions, one max-pooling, three fully connected layers."""
    return VGG(input_shape, classes, [[width, 2 * width]], dense, padding, head, hidden=2, norm=False)
