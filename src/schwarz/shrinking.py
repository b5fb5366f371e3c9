"""How much of an axis a network leaves: known without torch, so that an impossible cut is refused at once."""

from collections.abc import Sequence
from itertools import count


def left(n: int, stages: Sequence[int], padding: str) -> int:
    """Pixels of an axis of n after stages of so many 3-wide convolutions and a pooling by two each: a `valid`
    convolution takes two pixels, a pooling every second one."""
    for convolutions in stages:
        n = (n - (0 if padding == "same" else 2 * convolutions)) // 2
    return n


def least(stages: Sequence[int], padding: str) -> int:
    """The shortest axis that leaves a pixel."""
    return next(n for n in count(1) if left(n, stages, padding) >= 1)
