"""The course of the learning rate, and when to stop: functions of what has been reached, so that a training that was
cut off goes on as it would have."""

import math
from collections.abc import Sequence

from schwarz.config import Training

PLATEAU = math.sqrt(0.1)
"""Document 3, section 3.1.1: the rate is divided by 10^(1/2) where validation gains nothing."""


def learning_rate(training: Training, epoch: int, done: float, reached: Sequence[float]) -> float:
    """The rate of a step of an epoch (from 1), when the share `done` of all steps is, after epochs that reached so much
    on validation (`History.reached`). A drop sets the rate anew, whatever plateaus made of it: document 3 has the same
    rates in the last 80 epochs of the global network as in the 80 of the composed one."""
    rate = training.lr * math.prod(factor for after, factor in training.drops if epoch > after)
    if training.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * done)) / 2
    if training.schedule == "exponential":
        rate *= training.decay ** (epoch - 1)
    if not training.plateau:
        return rate
    since = max((after for after, _ in training.drops if epoch > after), default=0)
    return max(rate * PLATEAU ** plateaus(reached, training.plateau, since), min(rate, training.floor))


def plateaus(reached: Sequence[float], patience: int, since: int = 0) -> int:
    """How often so many epochs passed without a gain, of those after epoch `since`; after each one the count begins
    anew."""
    found, best, waited = 0, max(reached[:since], default=-math.inf), 0
    for value in reached[since:]:
        waited = 0 if value > best else waited + 1
        best = max(best, value)
        if waited == patience:
            found, waited = found + 1, 0
    return found


def stopped(training: Training, reached: Sequence[float]) -> bool:
    """Whether a training ends early: `stop_after` epochs without a gain."""
    if training.stop_after is None or not reached:
        return False
    return len(reached) - 1 - reached.index(max(reached)) >= training.stop_after
