"""Index maps: which global index every local index is, axis by axis, as an activation goes through the network.

Everything that decomposition, composition and the theorems need is here once. An `Axis` says where the activation of
local network k lies in the global one. Two intervals go with it: the activation field of document 3 (global positions
that see box k alone) and the local positions whose value is certainly the global one's. Windows (convolutions,
pooling), crops, padding and up-sampling move all of them by the same interval arithmetic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor, prod
from typing import Self

import torch
from torch import Tensor

from schwarz.windows import Interval, Window, meet, ordered


@dataclass(frozen=True)
class Axis:
    """One axis of an activation: of the global network, and of local network k in it."""

    whole: int
    """Length of the global axis."""
    index: Tensor
    """For every local index the global one; -1 where the global axis has none."""
    start: Fraction = Fraction(0)
    """Where the box begins on this axis: its first pixel over all strides so far, exactly."""
    stride: Fraction = Fraction(1)
    """All strides so far."""
    field: Interval = (0, 0)
    """The activation field of the box: the interval of global positions that see nothing else."""
    agrees: Interval = (0, 0)
    """The local positions whose value is certainly the global one."""
    spatial: bool = False
    """A partitioned axis whose positions are still places in the image."""

    @classmethod
    def of(cls, whole: int, index: Tensor | range) -> Self:
        """Channels or features: a network that holds one holds all of it."""
        index = torch.as_tensor(index, dtype=torch.long)
        return cls(whole, index, field=(0, whole), agrees=(0, len(index)))

    @classmethod
    def all(cls, n: int) -> Self:
        """An axis that every network has alike: the batch, time, channels of the image."""
        return cls.of(n, range(n))

    @classmethod
    def box(cls, whole: int, span: Interval) -> Self:
        """A partitioned axis of the input."""
        a, b = span
        return cls(whole, torch.arange(a, b), Fraction(a), field=span, agrees=(0, b - a), spatial=True)

    @property
    def local(self) -> int:
        return len(self.index)

    @property
    def total(self) -> bool:
        """Whether every local position has the global value."""
        return self.agrees == (0, self.local)

    @property
    def is_map(self) -> bool:
        """Whether it still has places of the image."""
        return self.spatial and self.whole > 1

    @property
    def undivided(self) -> bool:
        """Whether the local axis is the global one and sees nothing that the global one does not."""
        return self.total and self.field == (0, self.whole) and torch.equal(self.index, torch.arange(self.whole))

    @property
    def in_a_row(self) -> bool:
        """Whether the local positions lie side by side in the global axis, so that a window slides over both alike."""
        return self.spatial or self.undivided

    @property
    def aligned(self) -> bool:
        """Whether the strides so far divide the start of the box."""
        return self.start.denominator == 1

    @property
    def ends(self) -> tuple[bool, bool]:
        """Whether the local axis begins, and ends, where the global one does."""
        return self.start == 0, self.start + self.local == self.whole

    def through(self, window: Window) -> Self:
        """What a convolution or pooling makes of the axis."""
        return self._made(window.size, Fraction(1, window.stride), window.inside)

    def back_through(self, window: Window, extra: int = 0) -> Self:
        """What a transposed convolution makes of the axis: its window spreads every position."""

        def size(n: int) -> int:
            return (n - 1) * window.stride - sum(window.padding) + window.reach + 1 + extra

        def complete(seen: Interval, n: int, low_edge: bool, high_edge: bool) -> Interval:
            (a, b), low = seen, window.padding[0]
            first = 0 if a == 0 and low_edge else max(0, (a - 1) * window.stride - low + window.reach + 1)
            return ordered(first, size(n) if b == n and high_edge else min(size(n), b * window.stride - low))

        return self._made(size, Fraction(window.stride), complete)

    def enlarged(self, factor: int, smooth: bool) -> Self:
        """What up-sampling by a whole factor makes of the axis; a smooth one reads the neighbour too."""

        def certain(seen: Interval, n: int, low_edge: bool, high_edge: bool) -> Interval:
            a, b = seen
            margin = factor // 2 if smooth else 0
            first = a * factor + (0 if a == 0 and low_edge else margin)
            return ordered(first, b * factor - (0 if b == n and high_edge else margin))

        return self._made(lambda n: n * factor, Fraction(factor), certain)

    def padded(self, whole: Interval, local: Interval) -> Self:
        """So many positions more at either end, of the global and of the local axis; negative ones are cropped."""

        def kept(seen: Interval, n: int, by: Interval, low_edge: bool, high_edge: bool) -> Interval:
            (a, b), (low, high) = seen, by
            if b <= a:
                return 0, 0
            first = 0 if a == 0 and (low_edge or low <= 0) else max(0, a + low)
            size = n + low + high
            return ordered(first, size if b == n and (high_edge or high <= 0) else min(b + low, size))

        return self._placed(
            self.start + whole[0] - local[0],
            self.whole + sum(whole),
            self.local + sum(local),
            kept(self.field, self.whole, whole, True, True),
            kept(self.agrees, self.local, local, *self.ends),
        )

    def binned(self, n: int) -> Self:
        """What adaptive pooling to n bins makes of the axis: bin i reads from floor(i*m/n) to ceil((i+1)*m/n)."""
        a, b = self.field
        inside = [i for i in range(n) if i * self.whole // n >= a and -(-(i + 1) * self.whole // n) <= b]
        field = (inside[0], inside[-1] + 1) if inside else (0, 0)
        return replace(self, whole=n, index=torch.arange(n), start=Fraction(0), field=field, agrees=(0, 0))

    def blurred(self) -> Self:
        """Every value has been made of the whole image, or of the box in a local network."""
        return replace(self, field=(0, 0), agrees=(0, 0)) if self.is_map else self

    def fieldless(self) -> Self:
        """Every value responds to pixels outside the box; local and global values may still be equal."""
        return replace(self, field=(0, 0)) if self.is_map else self

    def meets(self, other: Self) -> bool:
        """Whether two activations have the same positions along this axis."""
        return self.whole == other.whole and self.start == other.start and torch.equal(self.index, other.index)

    def both(self, other: Self) -> Self:
        """The axis of what is made of two activations, position by position."""
        return replace(
            self,
            field=meet(self.field, other.field),
            agrees=meet(self.agrees, other.agrees),
            spatial=self.spatial or other.spatial,
        )

    def _made(
        self, size: Callable[[int], int], scale: Fraction, certain: Callable[[Interval, int, bool, bool], Interval]
    ) -> Self:
        """What an operation makes of the axis that does the same to both networks' positions: `size` of so many, and
        which of its results are `certain` where an interval of n positions is, with the ends that are the image's."""
        made = self._placed(
            self.start * scale,
            size(self.whole),
            size(self.local),
            certain(self.field, self.whole, True, True),
            certain(self.agrees, self.local, *self.ends),
        )
        return replace(made, stride=self.stride / scale)

    def _placed(self, start: Fraction, whole: int, local: int, field: Interval, agrees: Interval) -> Self:
        """The local positions lie in a row at the start; one that is no whole number is rounded half up once and
        clipped so that they fit. Rounding anew at each stride would put boxes that lie side by side on top of each
        other."""
        aligned = start.denominator == 1
        first = int(start) if aligned else max(0, min(floor(start + Fraction(1, 2)), whole - local))
        index = torch.arange(first, first + max(local, 0))
        return replace(
            self,
            whole=whole,
            index=torch.where((index >= 0) & (index < whole), index, -1),
            start=start,
            field=field,
            agrees=meet(agrees, (-first, whole - first)) if aligned else (0, 0),
        )


def share(width: int, k: int, boxes: int, unit: int = 1) -> range:
    """The channels of a layer of `width` that belong to local network k (2.8): width // boxes, the first
    width mod boxes networks one more; in units of so many where groups of channels must stay together."""
    units = width // unit
    sizes = [units // boxes + (i < units % boxes) for i in range(boxes)]
    return range(unit * sum(sizes[:k]), unit * sum(sizes[: k + 1]))


def multiplied(axes: Sequence[Axis]) -> Axis:
    """Flattening multiplies out the positions: row-major global indices of every local position (2.13)."""
    index = torch.zeros(1, dtype=torch.long)
    for axis in axes:
        both = index[:, None] * axis.whole + axis.index[None, :]
        index = torch.where((index[:, None] < 0) | (axis.index[None, :] < 0), -1, both).flatten()
    return Axis.of(prod(axis.whole for axis in axes), index)


def split(axis: Axis, whole: Sequence[int], local: Sequence[int]) -> list[Axis] | None:
    """The axes that one is split into; None where its indices are no product, so that no axis has a map."""
    index = axis.index.reshape(*local)
    parts = []
    for a, n in enumerate(whole):
        along = index.movedim(a, 0).reshape(local[a], -1)[:, 0]
        parts.append(Axis.of(n, along // prod(whole[a + 1 :]) % n))
    return parts if torch.equal(multiplied(parts).index, axis.index) else None


def joined(axes: Sequence[Axis]) -> Axis:
    """Concatenation puts the global axes one after the other: the blocks of one local network are then apart."""
    index, offset = [], 0
    for axis in axes:
        index.append(torch.where(axis.index < 0, -1, axis.index + offset))
        offset += axis.whole
    return Axis.of(offset, torch.cat(index))
