"""What the steps of an epoch have come to so far: an epoch that is cut off in the middle goes on with it."""

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sums:
    """Over the images of each member since the epoch began."""

    losses: Tensor
    """[members], float64."""
    right: Tensor
    """[members]."""
    steps: int = 0
    seen: int = 0
    """Images of each member."""
    spent_s: float = 0.0
    """CPU-seconds."""

    @classmethod
    def none(cls, members: int) -> Self:
        return cls(torch.zeros(members, dtype=torch.float64), torch.zeros(members, dtype=torch.long))

    def and_(self, mean: Tensor, right: Tensor, images: int, spent_s: float) -> Self:
        """With one step more, of so many images of each member; nothing waits for its figures."""
        losses, correct = self.losses.to(mean.device) + mean * images, self.right.to(right.device) + right
        return type(self)(losses, correct, self.steps + 1, self.seen + images, spent_s)

    def of(self, place: int) -> Self:
        """Those of one member."""
        return replace(self, losses=self.losses[place : place + 1], right=self.right[place : place + 1])

    def means(self) -> tuple[list[float], list[float]]:
        """For each member the mean loss of its images, and the share of them that was right."""
        return (self.losses / self.seen).tolist(), (self.right / self.seen).tolist()

    def to_json(self) -> dict[str, Any]:
        """Plain values, exactly."""
        plain = {"steps": self.steps, "seen": self.seen, "spent_s": self.spent_s}
        return {"losses": self.losses.tolist(), "right": self.right.tolist(), **plain}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        losses = torch.tensor(value["losses"], dtype=torch.float64)
        return cls(**{**value, "losses": losses, "right": torch.tensor(value["right"], dtype=torch.long)})
