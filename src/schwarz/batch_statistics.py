"""What BatchNorm normalises by, after composition.

The local networks learned their means and variances on their own boxes, and composition keeps them: (2.15) and (2.16)
hold for these. The composed network sees whole images, whose features have others outside the activation fields. To
recompute them on whole images gives up (2.15) for what may be a better start; the step `compose` measures both.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from schwarz.modes import evaluating


def recompute_statistics(module: nn.Module, x: Tensor) -> nn.Module:
    """Give every BatchNorm of `module` the mean and the variance of what reaches it when all of x [n, ...] goes
    through at once, in place; returns the module.

    Exact, no moving average: a layer normalises by its new statistics before those of the next are taken. One that is
    used several times gets the mean over its uses. All of x is in memory together, with its largest activations.
    Modes, momenta and counts of batches stay as they are; a module whose BatchNorm keeps nothing is left alone.
    """
    if layers := stored(module):
        with _measuring(module, layers), torch.no_grad():
            module(x)
    return module


def stored(module: nn.Module) -> list[_BatchNorm]:
    """The layers that keep statistics."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]


@contextmanager
def _measuring(module: nn.Module, layers: list[_BatchNorm]) -> Iterator[None]:
    """Layers that take up what they see, in a module that otherwise evaluates; then all as it was."""
    kept = [(layer, layer.momentum, layer.get_buffer("num_batches_tracked").clone()) for layer in layers]
    try:
        with evaluating(module):
            for layer in layers:
                layer.reset_running_stats()
                layer.momentum = None  # a cumulative mean
                layer.train()
            yield
    finally:
        for layer, momentum, count in kept:
            layer.momentum = momentum
            layer.get_buffer("num_batches_tracked").copy_(count)
