"""Adam's moments of the composed network, from those that its local networks ended with, by the same index maps.

A moment is a mean over gradients: where several local networks hold an entry, their mean is taken. The weights between
different networks have no gradients behind them. Their first moment is 0; as second moment they get the mean of their
tensor: with 0 there, and the bias correction long over, Adam's first steps would be several times the learning rate.
Where local networks took different numbers of steps the largest counts, and what the moments of the others lack because
they began at 0 is made up for.
"""

from collections.abc import Container, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from schwarz.composition import Filling, fillings, matched, scattered
from schwarz.partition import Partition
from schwarz.task import Task

POWERS = {"exp_avg": 1, "exp_avg_sq": 2, "max_exp_avg_sq": 2}
"""Adam's moments, and the power of the gradient that each is a mean of."""


def compose_moments(
    optimizer: Optimizer,
    optimizers: Sequence[Optimizer],
    module: nn.Module,
    locals_: Sequence[nn.Module],
    partition: Partition,
    *,
    task: Task | str = Task.CLASSIFICATION,
    input_shape: Sequence[int] | None = None,
) -> None:
    """Give `optimizer`, of the parameters of `module`, the state that the local networks' `optimizers` ended with.

    Parameters that it does not have, and those that no local optimizer has trained, are left out.
    """
    groups = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    if not groups.keys() & set(module.parameters()):
        raise ValueError("the optimizer has none of the module's parameters")
    before = [each.state for each in optimizers]
    betas: tuple[float, float] = optimizer.defaults["betas"]
    states = composed_states(before, module, locals_, partition, groups, betas, task=task, input_shape=input_shape)
    for parameter, state in states.items():
        if groups[parameter].get("amsgrad"):
            state.setdefault("max_exp_avg_sq", state["exp_avg_sq"].clone())
        optimizer.state[parameter].update(state)


def composed_states(
    states_of: Sequence[Mapping[Tensor, dict[str, Any]]],
    module: nn.Module,
    locals_: Sequence[nn.Module],
    partition: Partition,
    wanted: Container[Tensor],
    betas: tuple[float, float],
    *,
    task: Task | str = Task.CLASSIFICATION,
    input_shape: Sequence[int] | None = None,
) -> dict[Tensor, dict[str, Any]]:
    """The state that Adam goes on from for the parameters of `module` that are `wanted`: of each that the local
    networks have trained, from their own states of their parameters."""
    found, rule = matched(module, locals_, partition, task, input_shape), Task(task)
    if len(states_of) != len(locals_):
        raise ValueError(f"{len(states_of)} optimizers for {len(locals_)} local networks: one each")
    states: dict[Tensor, dict[str, Any]] = {}
    for filling in fillings(module, found):
        parameter = filling.of(module)
        before = [each.get(filling.of(local)) for each, local in zip(states_of, locals_, strict=True)]
        trained = [state for state in before if state]
        if parameter not in wanted or not trained:
            continue
        if not all(state and "exp_avg_sq" in state and state.keys() <= {"step", *POWERS} for state in before):
            raise ValueError(f"{filling.layer}.{filling.name} has no moments of Adam in every local optimizer")
        damped = _damped(rule, partition, filling.mean is not None)
        states[parameter] = _state(filling, parameter, trained, damped, betas)
    if not states:
        raise ValueError("the local optimizers have no state: none has made a step on these local networks")
    return states


def _damped(task: Task, partition: Partition, last: bool) -> list[float]:
    """How much of its own gradient a weight of each local network has in the composed one, whose predictions are means.

    A value that m networks predict comes to each by 1/m, but for the last layer, whose weights are divided. And the
    error of an autoencoder is the mean over all values, where a local network took it over those of its box.
    """
    if not task.averages:
        return [1.0] * len(partition)
    if not task.divides:
        return [1.0 if last else 1 / len(partition)] * len(partition)
    values, all_ = 1 / partition.multiplicity.clip(1), prod(partition.shape)
    return [(prod(box.shape) if last else float(values[box.slices].sum())) / all_ for box in partition]


def _state(
    filling: Filling,
    parameter: Tensor,
    states: Sequence[dict[str, Any]],
    damped: Sequence[float],
    betas: tuple[float, float],
) -> dict[str, Any]:
    state: dict[str, Any] = {"step": max((each["step"] for each in states), key=float).clone()}
    for name in POWERS.keys() & states[0].keys():
        there = [_share(betas, name, each) for each in states]
        parts = [
            each[name] * (max(there) / share) * damp ** POWERS[name]
            for each, share, damp in zip(states, there, damped, strict=True)
        ]
        total, count = scattered(filling.index, parameter, parts)
        mean = total / count.clamp(min=1)
        rest = mean[count > 0].mean() if POWERS[name] == 2 else torch.zeros((), dtype=mean.dtype, device=mean.device)
        state[name] = torch.where(count > 0, mean, rest)
    return state


def _share(betas: tuple[float, float], name: str, state: dict[str, Any]) -> float:
    """How much of the mean over gradients a moment has, after as many steps from 0."""
    return 1 - betas[POWERS[name] - 1] ** float(state["step"])
