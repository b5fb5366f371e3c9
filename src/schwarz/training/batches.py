"""Which images make a batch: a function of (seed, epoch), so that no sample is repeated or missed after a restart."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from schwarz.seeds import derive


def steps_of(n: int, size: int) -> int:
    """Steps of an epoch of n images."""
    return math.ceil(n / size)


def batches(n: int, size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The indices 0..n-1 in the epoch's order, in batches of nearly one size: a last one of 1 would stop BatchNorm."""
    order = np.random.Generator(np.random.PCG64(derive(seed, "order", epoch))).permutation(n)
    yield from np.array_split(order, steps_of(n, size))


def tensor(x: np.ndarray) -> Tensor:
    """A tensor of an array that may be a read-only memory map."""
    return torch.from_numpy(np.array(x))
