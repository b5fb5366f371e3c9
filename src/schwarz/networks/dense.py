"""Fully connected networks: document 3, section 2.4. Their inputs are (features,) or images, which they flatten.

The input is cut along its features: a box holds some of the first layer's inputs; of an image, pixels of every channel.
"""

import math
from collections.abc import Sequence

from torch import nn

from schwarz.families import defaults_of
from schwarz.networks.parts import sequential, stacked


@defaults_of("mlp")
def mlp(input_shape: Sequence[int], classes: int, *, dense: int, hidden: int = 2) -> nn.Sequential:
    """`hidden` layers of `dense` neurons with ReLU, then the logits [batch, classes]."""
    layers = stacked(math.prod(input_shape), [dense] * hidden)
    return sequential([("flatten", nn.Flatten()), *layers, ("classes", nn.Linear(dense, classes))])


@defaults_of("autoencoder")
def autoencoder(input_shape: Sequence[int], *, dense: int, code: int) -> nn.Sequential:
    """`dense` neurons, a code, `dense` neurons, and the flattened input once more: [batch, features], linear."""
    features = math.prod(input_shape)
    layers = stacked(features, [dense, code, dense])
    return sequential([("flatten", nn.Flatten()), *layers, ("output", nn.Linear(dense, features))])
