"""Adam's moments of one network, kept beside its weights: what another training of these weights can begin with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load, save
from torch import Tensor

from schwarz.files import write_atomic
from schwarz.training.engine import State

MOMENTS = "moments.safetensors"
KINDS = {"first": "exp_avg", "second": "exp_avg_sq"}
"""Our names, and those in the state of torch's optimizers."""


@dataclass(frozen=True)
class Moments:
    """Of every parameter the means over gradients and their squares, and of how many steps they are: by that count Adam
    corrects what they lack because they began at 0."""

    steps: int
    values: State
    """By the parameters' names with `.first` and `.second` behind them."""

    def copied(self) -> Self:
        return type(self)(self.steps, {name: value.clone() for name, value in self.values.items()})

    def inside(self, part: str) -> Self:
        """Those of the submodule `part`, by the names that it has for them."""
        return type(self)(self.steps, {name.removeprefix(f"{part}."): value for name, value in self.values.items()})

    def write(self, path: Path) -> None:
        """Keep them in a file, whole or not at all."""
        values = {name: value.clone(memory_format=torch.contiguous_format) for name, value in self.values.items()}
        write_atomic(path, save({**values, "steps": torch.tensor(self.steps)}))

    @classmethod
    def read(cls, path: Path) -> Self:
        values = load(path.read_bytes())
        return cls(int(values.pop("steps")), values)

    def states(self, parameters: Iterable[tuple[str, Tensor]]) -> dict[Tensor, dict[str, Any]]:
        """As torch's Adam has them, for the parameters of the network by name."""
        count = torch.tensor(float(self.steps))
        return {
            parameter: {"step": count, **{theirs: self.values[f"{name}.{ours}"] for ours, theirs in KINDS.items()}}
            for name, parameter in parameters
        }

    @classmethod
    def of_states(cls, states: Mapping[Tensor, Mapping[str, Any]], parameters: Iterable[tuple[str, Tensor]]) -> Self:
        """From what torch's Adam would have, for the parameters of a network by name."""
        values = {
            f"{name}.{ours}": states[parameter][theirs]
            for name, parameter in parameters
            for ours, theirs in KINDS.items()
        }
        return cls(max(int(state["step"]) for state in states.values()), values)
