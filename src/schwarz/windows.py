"""Windows that slide along an axis, and what they do to an interval of it (document 3, section 2.1.1).

Imports no torch: how much a network leaves of an axis is known before anything is built.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf

Interval = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """One axis of a convolution or pooling: `taps` positions `dilation` apart every `stride`, after padding."""

    taps: int
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    mode: str = "zeros"
    """What is padded: torch's `padding_mode`."""
    ceil_mode: bool = False

    @property
    def alone(self) -> bool:
        """Whether every position is read alone, and stays where it is."""
        return self.taps == 1 and self.stride == 1 and self.padding == (0, 0)

    @property
    def reach(self) -> int:
        """From the first position of a window to its last."""
        return self.dilation * (self.taps - 1)

    @property
    def copies(self) -> float:
        """Beside an end, the positions whose values pad it; of circular padding all there are."""
        return {"circular": inf, "reflect": max(self.padding)}.get(self.mode, 0)

    def size(self, n: int) -> int:
        """Positions that it leaves of n."""
        low, high = self.padding
        over = n + low + high - self.reach - 1
        if not self.ceil_mode:
            return over // self.stride + 1
        size = ceil(Fraction(over, self.stride)) + 1
        return size - ((size - 1) * self.stride >= n + low)  # torch: a window must begin inside

    def inside(self, seen: Interval, n: int, low_edge: bool, high_edge: bool) -> Interval:
        """The outputs whose window lies in `seen` of n positions; what an end of the image pads does no harm."""
        a, b = seen
        if b <= a:
            return 0, 0
        whole = (a, b) == (0, n) and low_edge and high_edge
        enough = whole or self.copies < b - a
        first = 0 if a == 0 and low_edge and enough else ceil(Fraction(a + self.padding[0], self.stride))
        last = (b - 1 + self.padding[0] - self.reach) // self.stride
        return ordered(first, self.size(n) if b == n and high_edge and enough else last + 1)


def ordered(first: int, stop: int) -> Interval:
    """An interval; every empty one is the same."""
    return (first, stop) if stop > first else (0, 0)


def meet(one: Interval, other: Interval) -> Interval:
    """What two intervals have in common."""
    return ordered(max(one[0], other[0]), min(one[1], other[1]))
