"""Which images make a batch: a function of (seed, epoch), so that no sample is repeated or missed after a restart."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from schwarz.config import Training
from schwarz.seeds import derive


def steps_of(n: int, training: Training) -> int:
    """Steps of an epoch of n images."""
    return training.steps or math.ceil(n / training.batch)


def batches(n: int, training: Training, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The indices that make the batches of an epoch.

    Pass after pass each of 0..n-1 comes once, in an order of its own, in batches of nearly one size: a last one of 1
    would stop BatchNorm. An epoch is a pass, or the next `training.steps` batches, wherever passes begin and end.
    """
    in_a_pass, steps = math.ceil(n / training.batch), steps_of(n, training)
    first = (epoch - 1) * steps
    for number in range(first // in_a_pass, math.ceil((first + steps) / in_a_pass)):
        order = np.random.Generator(np.random.PCG64(derive(seed, "order", number + 1))).permutation(n)
        begin = number * in_a_pass
        yield from np.array_split(order, in_a_pass)[max(first - begin, 0) : first + steps - begin]


def tensor(x: np.ndarray) -> Tensor:
    """A tensor of an array that may be a read-only memory map."""
    return torch.from_numpy(np.array(x))
