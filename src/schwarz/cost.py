"""What a network costs: parameters, floating point operations, memory (document 3, section 2.1.2).

**Operations** of one forward pass of one input, by equation 2.10: `schwarz.meter` says what is counted. What multiplies
by weights and has no rule there is named in `Cost.uncounted`, never silently left out.

**Activation memory** is the paper's "outputs of all layers", as training keeps them, of one input: every tensor that
the forward pass makes. A view (flatten) and an operation in place make none; dropout makes one, as in training; of a
recurrent layer the hidden states of all its steps count, not its gates.

**Optimizer memory** is the paper's "parameters, gradients, first and second order momentum", as Adam keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from schwarz.decomposition import decompose
from schwarz.meter import Layer, Meter
from schwarz.modes import evaluating
from schwarz.networks import count_parameters, count_values
from schwarz.partition import Partition
from schwarz.task import Task

ADAM_VALUES = 4
"""Values an optimizer step of Adam keeps for each parameter: itself, its gradient, two moments."""


@dataclass(frozen=True)
class Cost:
    """What one network costs on one input."""

    layers: tuple[Layer, ...]
    parameters: int
    """Trainable values."""
    keras_parameters: int
    """As Keras counts: frozen values and the running statistics of normalisations too."""
    value_bytes: int
    """Size of one value of the network's dtype."""
    uncounted: tuple[str, ...]
    """Layers whose operations are not in `flops`, each with the reason."""

    @property
    def flops(self) -> int:
        return sum(layer.flops for layer in self.layers)

    @property
    def activations(self) -> int:
        """Values in the outputs of all layers."""
        return sum(layer.activations for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Memory that training needs for each input of a batch."""
        return self.value_bytes * self.activations

    @property
    def optimizer_bytes(self) -> int:
        """Memory that training with Adam needs whatever the batch: parameters, gradients, two moments."""
        return self.value_bytes * ADAM_VALUES * self.parameters


@dataclass(frozen=True)
class Ratio:
    """How many times as much the global network costs as one local network; None where that has none."""

    parameters: float | None
    flops: float | None
    activations: float | None

    @classmethod
    def of(cls, whole: Layer | Cost, local: Layer | Cost) -> "Ratio":
        return cls(
            *(getattr(whole, name) / getattr(local, name) if getattr(local, name) else None
              for name in ("parameters", "flops", "activations"))
        )  # fmt: skip


@dataclass(frozen=True)
class Costs:
    """A global network and its local networks, in the order of the boxes."""

    global_: Cost
    locals: tuple[Cost, ...]

    def ratio(self, k: int) -> Ratio:
        """Global network to local network k: about K^2, K^3 and K^2 by the paper's analysis."""
        return Ratio.of(self.global_, self.locals[k])

    def layer_ratios(self, k: int) -> list[tuple[Layer, Layer, Ratio]]:
        """The layers that both have, in pairs, with their ratios."""
        found = {(layer.name, layer.kind): layer for layer in self.locals[k].layers}
        pairs = [(layer, found.get((layer.name, layer.kind))) for layer in self.global_.layers]
        return [(whole, local, Ratio.of(whole, local)) for whole, local in pairs if local is not None]


def cost(module: nn.Module, input_shape: Sequence[int]) -> Cost:
    """The cost of any module for one input of `input_shape` (without the batch), by one forward pass of zeros.

    The module is as before afterwards: its mode, its weights, its statistics. A layer that is called twice has its
    operations and its outputs twice, its parameters once.
    """
    weight = next(module.parameters(), torch.empty(0))
    meter = Meter(module)
    with evaluating(module), torch.no_grad():
        meter.measure(torch.zeros(1, *input_shape, dtype=weight.dtype, device=weight.device))
    return Cost(
        layers=meter.layers(),
        parameters=count_parameters(module),
        keras_parameters=count_values(module),
        value_bytes=weight.element_size(),
        uncounted=tuple(meter.uncounted()),
    )


def costs(
    module: nn.Module, partition: Partition, input_shape: Sequence[int], task: Task | str = Task.CLASSIFICATION
) -> Costs:
    """The cost of a network and of the local networks that `decompose` makes of it."""
    lead = tuple(input_shape)[: -len(partition.shape)]
    locals_ = decompose(module, partition, input_shape, task)
    each = tuple(cost(local, (*lead, *box.shape)) for local, box in zip(locals_, partition, strict=True))
    return Costs(cost(module, input_shape), each)
