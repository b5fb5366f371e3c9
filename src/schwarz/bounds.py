"""What the local networks' costs bound: Theorem 2.2 for classification, section 2.4 for regression and autoencoders.

Each bound is two numbers, the left side at most the right one. Where a composition is exact they are theorems;
elsewhere they are printed as they were observed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from schwarz.partition import Partition
from schwarz.task import Task


@dataclass(frozen=True)
class Bound:
    """left <= right, with how much rounding may take."""

    name: str
    """Where document 3 has it, and after a colon what it says."""
    left: float
    right: float
    slack: float
    samples: int
    """Of how many samples it speaks."""

    @property
    def equation(self) -> str:
        return self.name.partition(":")[0]

    @property
    def holds(self) -> bool:
        return self.left <= self.right + self.slack


def bounds(task: Task, partition: Partition, whole: Tensor, parts: Sequence[Tensor], y: Tensor) -> tuple[Bound, ...]:
    """The bounds of a task from the global and the local outputs and the targets."""
    if task is Task.CLASSIFICATION:
        return classification(whole, parts, y)
    if task is Task.REGRESSION:
        if y.numel() != whole.numel():
            raise ValueError(f"targets {tuple(y.shape)} for predictions {tuple(whole.shape)}: one for each")
        return regression(whole, parts, y.reshape(whole.shape))
    return autoencoder(partition, whole, parts, y)


def classification(whole: Tensor, parts: Sequence[Tensor], y: Tensor) -> tuple[Bound, ...]:
    """Theorem 2.2: the inclusion of the correctly classified samples, (2.21) on them, and (2.19) for all."""
    classes = whole.shape[1]
    if not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(f"labels go from {int(y.min())} to {int(y.max())}, the network has classes 0 to {classes - 1}")
    costs = torch.stack([F.cross_entropy(part, y, reduction="none") for part in parts])  # r_ik, [boxes, n]
    cost = F.cross_entropy(whole, y, reduction="none")
    correct = torch.stack([part.argmax(1) == y for part in parts])
    by_all = correct.all(0)
    slack = _slack(torch.stack([costs.sum(0), *(part.abs().amax(1) for part in parts)]))
    missed = (by_all & (whole.amax(1) - whole.gather(1, y[:, None])[:, 0] > slack)).sum()  # a tie is no miss
    over = (cost - costs.amin(0))[by_all]
    worst, right = float(over.max()) if len(over) else 0.0, bound_2_19(costs, correct)
    return (
        Bound("Theorem 2.2: correct in every local network, wrong composed", float(missed), 0.0, 0.0, len(over)),
        Bound("(2.21): largest J - min r_ik where all are correct", worst, 0.0, slack, len(over)),
        Bound("(2.19): cost r and its bound", float(cost.sum()), float(right.sum()), slack * len(y), len(y)),
    )


def bound_2_19(costs: Tensor, correct: Tensor) -> Tensor:
    """Right side of (2.19) for every sample: the least cost of a network that is correct, an empty minimum being 0,
    and the costs of all that are wrong. `costs` and `correct` are [boxes, n]."""
    least = costs.masked_fill(~correct, float("inf")).amin(0)
    return torch.where(correct.any(0), least, 0) + costs.masked_fill(correct, 0).sum(0)


def regression(whole: Tensor, parts: Sequence[Tensor], y: Tensor) -> tuple[Bound, ...]:
    """Section 2.4: the cost of the mean prediction is at most the mean of the costs, for both norms of the document."""

    def absolute(prediction: Tensor) -> Tensor:
        return (prediction - y).abs().flatten(1).sum(1).mean()

    def squared(prediction: Tensor) -> Tensor:
        return (prediction - y).square().flatten(1).sum(1).mean()

    return tuple(
        Bound(f"regression, {name}: D and the mean of D_k", float(cost(whole)), float(mean), _slack(mean), len(y))
        for name, cost in (("L1", absolute), ("squared L2", squared))
        for mean in (torch.stack([cost(part) for part in parts]).mean(),)
    )


def autoencoder(partition: Partition, whole: Tensor, parts: Sequence[Tensor], x: Tensor) -> tuple[Bound, ...]:
    """Section 2.4: the reconstruction error is at most the sum of those of the boxes, of a partition that covers."""
    if not partition.covers:
        return ()
    error = (whole.flatten(1) - x.flatten(1)).norm(dim=1).mean()
    boxes = zip(parts, partition.split(x), strict=True)
    errors = torch.stack([(part.flatten(1) - box.flatten(1)).norm(dim=1).mean() for part, box in boxes]).sum()
    return (Bound("autoencoder: D and the sum of D_k", float(error), float(errors), _slack(errors), len(x)),)


def _slack(values: Tensor) -> float:
    """What rounding may add to a sum of that size."""
    return 1000 * torch.finfo(values.dtype).eps * max(1.0, float(values.abs().max()))
