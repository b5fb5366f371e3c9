"""Cutting an input into boxes: the subdomains of document 3, section 2.1.1; documents 1 and 2's type A and overlap.

A `Partition` speaks of the last len(shape) axes of an input; what stands before is never cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Self

from schwarz.config import PartitionConfig


@dataclass(frozen=True)
class Box:
    """One subdomain: a (start, stop) per partitioned axis; iterating gives those pairs."""

    spans: tuple[tuple[int, int], ...]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.spans)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(stop - start for start, stop in self.spans)

    @property
    def slices(self) -> tuple[Any, ...]:
        """Index of the box in an array whose last axes are the partitioned ones."""
        return (..., *(slice(start, stop) for start, stop in self.spans))


@dataclass(frozen=True)
class Partition:
    """Ordered boxes over the last len(shape) axes of an input. Any list of boxes is a partition."""

    shape: tuple[int, ...]
    boxes: tuple[Box, ...]

    def __post_init__(self) -> None:
        if not self.boxes:
            raise ValueError("a partition needs at least one box")
        for number, box in enumerate(self.boxes):
            if len(box.spans) != len(self.shape):
                raise ValueError(f"box {number} has {len(box.spans)} axes, the input {len(self.shape)}")
            for (start, stop), n in zip(box, self.shape, strict=True):
                if not 0 <= start < stop <= n:
                    raise ValueError(
                        f"box {number} spans {start}:{stop} on an axis of {n}: it must lie inside and hold a pixel"
                    )

    @classmethod
    def grid(
        cls,
        shape: Sequence[int],
        boxes: Sequence[int],
        overlap: int = 0,
        size: Sequence[int] | None = None,
        crop: Sequence[int] | None = None,
    ) -> Self:
        """`boxes[a]` boxes along axis a: cut at round(i*n/p) and grown by `overlap` past each interior cut, or of
        one `size` with starts at round(i*(n-s)/(p-1)); of the centred `crop` when given, in original coordinates."""
        shape = tuple(shape)
        if len(boxes) != len(shape):
            raise ValueError(f"grid {list(boxes)} has {len(boxes)} axes, the input {list(shape)} has {len(shape)}")
        extent = tuple(crop) if crop is not None else shape
        axes = []
        for a, (n, p) in enumerate(zip(extent, boxes, strict=True)):
            if n > shape[a]:
                raise ValueError(f"crop {list(extent)} is larger than the input {list(shape)}")
            offset = (shape[a] - n) // 2
            spans = _sized(n, p, size[a]) if size is not None else _cut(n, p, overlap)
            axes.append([(offset + start, offset + stop) for start, stop in spans])
        return cls(shape, tuple(Box(spans) for spans in product(*axes)))

    @classmethod
    def of(cls, config: PartitionConfig, shape: Sequence[int]) -> Self:
        """The partition a configuration describes, on an input whose partitioned axes have `shape`."""
        return cls.grid(shape, config.grid, config.overlap, config.size, config.crop)

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Box]:
        return iter(self.boxes)

    def split(self, x: Any) -> list[Any]:
        """The subimages of a batch (an array or a tensor), as views."""
        if tuple(x.shape[-len(self.shape) :]) != self.shape:
            raise ValueError(f"input of shape {tuple(x.shape)} does not end in the partition's {self.shape}")
        return [x[box.slices] for box in self.boxes]


def padded(image_shape: Sequence[int], pad: int) -> tuple[int, ...]:
    """Shape of an image (channels first) with `pad` pixels around: what a partition cuts."""
    return (image_shape[0], *(n + 2 * pad for n in image_shape[1:]))


def _cut(n: int, p: int, overlap: int) -> list[tuple[int, int]]:
    if p > n:
        raise ValueError(f"{p} boxes along an axis of {n}: at most one box per pixel")
    cuts = [_round(i * n, p) for i in range(p + 1)]
    smallest = min(b - a for a, b in pairwise(cuts))
    if p > 1 and overlap > smallest:
        raise ValueError(f"overlap {overlap} reaches past the neighbouring box: at most {smallest}")
    return [(max(a - overlap, 0), min(b + overlap, n)) for a, b in pairwise(cuts)]


def _sized(n: int, p: int, size: int) -> list[tuple[int, int]]:
    if size > n:
        raise ValueError(f"boxes of size {size} on an axis of {n}: at most {n}")
    starts = [_round(i * (n - size), p - 1) for i in range(p)] if p > 1 else [(n - size) // 2]
    return [(start, start + size) for start in starts]


def _round(a: int, b: int) -> int:
    """a/b to the nearest integer, halves up: Python's round() would go to the even neighbour."""
    return (2 * a + b) // (2 * b)
