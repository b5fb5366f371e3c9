"""The mean of a few seeds and how sure it is: a 95% interval by Student's t-distribution."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import atan, cos, pi, sin, sqrt
from statistics import fmean, stdev
from typing import Any

ENOUGH = 3
"""Seeds that an interval takes: of two the t-distribution says half a dozen times what lies between them."""


@dataclass(frozen=True)
class Spread:
    """What the seeds gave, one value each."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def half(self) -> float | None:
        """Half of the 95% interval of the mean; None where there are not enough seeds for one."""
        n = len(self.values)
        return None if n < ENOUGH else t95(n - 1) * stdev(self.values) / sqrt(n)

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean, "half_of_95": self.half, "values": list(self.values)}


def spread(values: Sequence[float | None]) -> Spread | None:
    """The spread of what is known; None where nothing is."""
    known = tuple(value for value in values if value is not None)
    return Spread(known) if known else None


@cache
def t95(freedom: int) -> float:
    """The t that 95% of all values of the t-distribution lie within, of so many degrees of freedom: 12.706 of one,
    4.303 of two, and 1.960 in the end."""
    low, high = 1.9, 12.8
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def within(t: float, freedom: int) -> float:
    """The share of Student's distribution between -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term, total = cos(angle) if odd else 1.0, 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cos(angle) ** 2 * (k - 1) / k
    return (angle + sin(angle) * total) * 2 / pi if odd else sin(angle) * total
