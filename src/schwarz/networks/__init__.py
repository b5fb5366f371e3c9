"""The networks of the papers, one family a file, built from a configuration or by hand."""

from collections.abc import Sequence

import torch
from torch import nn

from schwarz.config import Network
from schwarz.networks.vgg import VGG, vgg9

__all__ = ["VGG", "build", "count_parameters", "initialise", "vgg9"]


def build(network: Network, input_shape: Sequence[int], classes: int) -> nn.Module:
    """The global network of a configuration for inputs of `input_shape` (channels first)."""
    families = {"vgg9": vgg9}
    return families[network.family](input_shape, classes, network.width, network.dense, network.padding)


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
