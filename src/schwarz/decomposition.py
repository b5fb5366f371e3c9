"""Decomposing a network by its width (document 3, section 2.1.2, equations 2.7 and 2.8).

A local network has the depth of the global one and a share of its width. It is not written down per architecture: the
walk through the graph says for every layer with weights which channels reach it and which it makes.
"""

import copy
from collections.abc import Sequence

from torch import nn

from schwarz.correspondence import Correspondence, correspond
from schwarz.partition import Partition
from schwarz.task import Task


def decompose(
    module: nn.Module,
    partition: Partition,
    input_shape: Sequence[int],
    task: Task | str = Task.CLASSIFICATION,
) -> list[nn.Module]:
    """N local networks with fresh weights, one per box, for a module that takes inputs of `input_shape`.

    Equation 2.7: the widths of the local networks sum up to the global one's, but for the input's channels and the
    outputs, which every local network has whole; the first dense layer takes the map of its own box. A dense
    autoencoder's outputs are those of the box. Dtype, device and train/eval mode are the module's.
    """
    found = correspond(module, partition, input_shape, task)
    return [_local(module, found, k) for k in range(len(partition))]


def _local(module: nn.Module, found: Correspondence, k: int) -> nn.Module:
    """A copy of the module in which every layer with weights is the one of local network k."""
    rebuilt = {}
    for name, fit in found.fits[k].items():
        layer = module.get_submodule(name)
        rebuilt[id(layer)] = fit.make().train(layer.training)
    local = copy.deepcopy(module, rebuilt)
    _tie_as(module, local)
    for name, parameter in module.named_parameters():
        local.get_parameter(name).requires_grad_(parameter.requires_grad)
    return local


def _tie_as(module: nn.Module, local: nn.Module) -> None:
    """Weights that layers of the module share, its local network's layers share too, where their shapes agree."""
    first: dict[int, nn.Parameter] = {}
    mine = dict(local.named_parameters(remove_duplicate=False))
    for name, parameter in module.named_parameters(remove_duplicate=False):
        shared = first.setdefault(id(parameter), mine[name])
        if shared is not mine[name] and shared.shape == mine[name].shape:
            path, _, attribute = name.rpartition(".")
            setattr(local.get_submodule(path), attribute, shared)
