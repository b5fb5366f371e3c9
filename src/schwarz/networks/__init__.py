"""The networks of the papers, one family a file, built from a configuration or by hand."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from schwarz.config import Network
from schwarz.families import FAMILIES
from schwarz.networks.dense import autoencoder, mlp
from schwarz.networks.lenet import lenet5
from schwarz.networks.plain import plain11
from schwarz.networks.poster import cnn5, ffn2
from schwarz.networks.recurrent import gru, lstm, recurrent, rnn
from schwarz.networks.resnet import bottleneck_resnet, cifar_resnet
from schwarz.networks.series import cnn1d
from schwarz.networks.vgg import VGG, vgg3, vgg9, vgg16

__all__ = [
    "BUILDERS",
    "VGG",
    "autoencoder",
    "bottleneck_resnet",
    "build",
    "cifar_resnet",
    "cnn1d",
    "cnn5",
    "count_parameters",
    "count_values",
    "ffn2",
    "gru",
    "initialise",
    "lenet5",
    "lstm",
    "mlp",
    "plain11",
    "recurrent",
    "rnn",
    "standard",
    "vgg3",
    "vgg9",
    "vgg16",
]

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "vgg3": vgg3,
    "vgg9": vgg9,
    "vgg16": vgg16,
    "plain11": plain11,
    "resnet20": partial(cifar_resnet, n=3),
    "resnet32": partial(cifar_resnet, n=5),
    "resnet56": partial(cifar_resnet, n=9),
    "resnet110": partial(cifar_resnet, n=18),
    "resnet50": partial(bottleneck_resnet, layers=50),
    "resnet101": partial(bottleneck_resnet, layers=101),
    "resnet50-keras": partial(bottleneck_resnet, layers=50, convention="keras", **FAMILIES["resnet50-keras"].own),
    "resnet101-keras": partial(bottleneck_resnet, layers=101, convention="keras", **FAMILIES["resnet101-keras"].own),
    "lenet5": lenet5,
    "cnn5": cnn5,
    "ffn2": ffn2,
    "mlp": mlp,
    "autoencoder": autoencoder,
    "cnn1d": cnn1d,
    "recurrent": recurrent,
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
}
"""Every family of `schwarz.families`: (input_shape, classes, and the family's choices by name) -> its network."""


def build(network: Network, input_shape: Sequence[int], classes: int) -> nn.Module:
    """The global network of a configuration for inputs of `input_shape` (channels first)."""
    return BUILDERS[network.family](input_shape, classes, **network.choices)


def standard(family: str) -> nn.Module:
    """A family as it is by itself, for its standard input."""
    about = FAMILIES[family]
    outputs = () if about.classes is None else (about.classes,)
    return BUILDERS[family](about.input_shape, *outputs, **about.own)


def initialise(module: nn.Module, seed: int) -> nn.Module:
    """Fresh weights, a function of the seed alone, not of what was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in module.modules():
            if layer is not module and hasattr(layer, "reset_parameters"):
                layer.reset_parameters()  # type: ignore[operator]  # every torch layer's own initialisation
    return module


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_values(module: nn.Module) -> int:
    """Parameters as Keras counts them, and with it Tables 3.1 and 3.4 of document 3: frozen values and the running
    statistics of normalisations too, so that BatchNorm has four for each channel."""
    statistics = (value for name, value in module.named_buffers() if name.endswith(("running_mean", "running_var")))
    return sum(value.numel() for value in (*module.parameters(), *statistics))
