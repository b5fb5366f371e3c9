"""Adam over one network, or over several stacked ones of which each has a learning rate of its own.

torch's fused AdamW has one rate for all tensors that it is given, and a stacked tensor holds a part of every member. So
it takes its step at rate 1 from 0, and the rates scale what it did, member by member. Where all rates are equal it
steps on the weights themselves.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

BETAS = (0.9, 0.999)
CONSTANTS: dict[str, Any] = {
    "fused": True, "amsgrad": False, "maximize": False, "beta1": BETAS[0], "beta2": BETAS[1], "eps": 1e-8,
}  # fmt: skip


class Adam:
    """AdamW with decoupled weight decay (0: Adam)."""

    def __init__(self, parameters: Sequence[Tensor], members: int, weight_decay: float) -> None:
        """`parameters` hold a part of equal size of every member, one after the other along their first axis."""
        self.parameters, self.members, self.weight_decay = list(parameters), members, weight_decay
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.clock = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self, rates: Sequence[float] | Tensor) -> None:
        """One step down the gradients, at a rate for each member. Rates in a tensor may be changed when the step is
        recorded and replayed, so that nothing is decided by their values."""
        if self.members == 1 or (not isinstance(rates, Tensor) and len(set(rates)) == 1):
            self._step_on([p.data for p in self.parameters], rates[0], self.weight_decay)
            return
        steps = [torch.zeros_like(p) for p in self.parameters]
        self._step_on(steps, 1.0, 0.0)
        rate = torch.as_tensor(rates, dtype=steps[0].dtype, device=steps[0].device)[:, None]
        for parameter, step in zip(self.parameters, steps, strict=True):
            weights = self._by_member(parameter.data)
            if self.weight_decay:
                weights *= 1 - self.weight_decay * rate
            weights.addcmul_(self._by_member(step), rate)

    def _step_on(self, tensors: list[Tensor], rate: float | Tensor, weight_decay: float) -> None:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        adamw(
            tensors, gradients, self.first, self.second, [], self.clock, lr=rate, weight_decay=weight_decay, **CONSTANTS
        )

    def _by_member(self, tensor: Tensor) -> Tensor:
        """[members, -1], a view: the values of a member lie together in memory, in whatever order."""
        order = sorted(range(tensor.dim()), key=lambda axis: (axis != 0, -tensor.stride(axis)))
        return tensor.permute(order).view(self.members, -1)
