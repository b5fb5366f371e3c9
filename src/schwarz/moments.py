"""Adam's moments of the composed network, from those that its local networks ended with, by the same index maps.

A moment is a mean over gradients: where several local networks hold an entry, their mean is taken. The weights between
different networks have no gradients behind them. Their first moment is 0; as second moment they get the mean of their
tensor: with 0 there, and the bias correction long over, Adam's first steps would be several times the learning rate.
"""

from collections.abc import Sequence
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
    found, rule = matched(module, locals_, partition, task, input_shape), Task(task)
    if len(optimizers) != len(locals_):
        raise ValueError(f"{len(optimizers)} optimizers for {len(locals_)} local networks: one each")
    groups = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    if not groups.keys() & set(module.parameters()):
        raise ValueError("the optimizer has none of the module's parameters")
    states: dict[Tensor, dict[str, Any]] = {}
    for filling in fillings(module, found):
        parameter = filling.of(module)
        before = [each.state.get(filling.of(local)) for each, local in zip(optimizers, locals_, strict=True)]
        trained = [state for state in before if state]
        if parameter not in groups or not trained:
            continue
        if not all(state and "exp_avg_sq" in state and state.keys() <= {"step", *POWERS} for state in before):
            raise ValueError(f"{filling.layer}.{filling.name} has no moments of Adam in every local optimizer")
        # the mean of N predictions has 1/N of the gradient in all layers but the last, whose weights are divided
        damped = len(partition) if rule.averages and not rule.divides and filling.mean is None else 1
        states[parameter] = _state(filling, parameter, trained, damped)
        if groups[parameter].get("amsgrad"):
            states[parameter].setdefault("max_exp_avg_sq", states[parameter]["exp_avg_sq"].clone())
    if not states:
        raise ValueError("the local optimizers have no state: none has made a step on these local networks")
    for parameter, state in states.items():
        optimizer.state[parameter].update(state)


def _state(filling: Filling, parameter: Tensor, states: Sequence[dict[str, Any]], damped: int) -> dict[str, Any]:
    state: dict[str, Any] = {"step": max((each["step"] for each in states), key=float).clone()}
    for name in POWERS.keys() & states[0].keys():
        total, count = scattered(filling.index, parameter, [each[name] for each in states])
        mean = total / count.clamp(min=1) / damped ** POWERS[name]
        rest = mean[count > 0].mean() if POWERS[name] == 2 else torch.zeros((), dtype=mean.dtype, device=mean.device)
        state[name] = torch.where(count > 0, mean, rest)
    return state
