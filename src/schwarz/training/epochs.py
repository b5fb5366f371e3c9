"""Which images make a batch: a function of (seed, epoch), so that no sample is repeated or missed after a restart.

Images are read by the batch, from memory-mapped files. Where these are larger than memory, a batch is read while the
one before it is trained on.
"""

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from schwarz.config.training import Course
from schwarz.images import Inputs, waits
from schwarz.seeds import derive
from schwarz.training.device import device
from schwarz.training.resident import Resident

T = TypeVar("T")
Source = Inputs | Resident
ROOM = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
"""Images of more bytes are not taken to stay in memory from one epoch to the next."""


def steps_of(n: int, training: Course) -> int:
    """Steps of an epoch of n images."""
    return training.steps or math.ceil(n / training.batch)


def batches(n: int, training: Course, seed: int, epoch: int) -> Iterator[np.ndarray]:
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


def epoch_of(
    images: Sequence[Source], training: Course, seeds: Sequence[int], epoch: int, first: int = 0
) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """The steps of an epoch, from `first` on: for each member a batch of its inputs, and of their classes."""
    orders = [batches(len(each), training, seed, epoch) for each, seed in zip(images, seeds, strict=True)]
    steps = (_read(images, chosen, epoch) for chosen in islice(zip(*orders, strict=True), first, None))
    room = ROOM if device().type == "cpu" else 0  # a device need not wait for what can be read beside its work
    slow = any(map(waits, images)) or sum(each.nbytes for each in images) > room
    return ahead(steps) if slow else steps


def _read(images: Sequence[Source], chosen: Sequence[np.ndarray], epoch: int) -> tuple[list[Tensor], list[Tensor]]:
    pairs = list(zip(images, chosen, strict=True))
    x = [torch.as_tensor(each.batch(at, epoch)) for each, at in pairs]
    return x, [torch.from_numpy(each.y[at]) for each, at in pairs]


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made while the one before it is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def tensor(x: np.ndarray) -> Tensor:
    """A tensor of an array that may be a read-only memory map."""
    return torch.from_numpy(np.array(x))
