"""Cutting an input into boxes: the subdomains of document 3, section 2.1.1; documents 1 and 2's type A and overlap.

A `Partition` speaks of the last len(shape) axes of an input; what stands before is never cut. Arrays and tensors are
cut and put together alike, by their own methods: importing this module imports neither numpy nor torch.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from operator import index
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np

SHOWN = 8  # boxes that a partition's text names


@dataclass(frozen=True, repr=False)
class Box:
    """One subdomain: a (start, stop) per partitioned axis; iterating gives those pairs."""

    spans: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        try:
            spans = tuple((index(start), index(stop)) for start, stop in self.spans)
        except (TypeError, ValueError):
            raise ValueError(
                f"a box takes a whole (start, stop) per axis, such as Box(((0, 16), (0, 16))), not {self.spans!r}"
            ) from None
        object.__setattr__(self, "spans", spans)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.spans)

    def __str__(self) -> str:
        return ",".join(f"{start}:{stop}" for start, stop in self)

    def __repr__(self) -> str:
        return f"Box({self.spans})"

    @property
    def start(self) -> tuple[int, ...]:
        return tuple(start for start, _ in self)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(stop - start for start, stop in self.spans)

    @property
    def slices(self) -> tuple[Any, ...]:
        """Index of the box in an array whose last axes are the partitioned ones."""
        return (..., *(slice(start, stop) for start, stop in self.spans))


@dataclass(frozen=True, repr=False)
class Partition:
    """Ordered boxes over the last len(shape) axes of an input. Any list of boxes is a partition."""

    shape: tuple[int, ...]
    boxes: tuple[Box, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _numbers("shape", self.shape))
        if not isinstance(self.boxes, Iterable) or isinstance(self.boxes, Box):
            raise TypeError(f"boxes {self.boxes!r}: give a list of them, such as [Box(((0, 16), (0, 16)))]")
        object.__setattr__(self, "boxes", tuple(self.boxes))
        if not self.boxes:
            raise ValueError("a partition needs at least one box")
        for number, box in enumerate(self.boxes):
            if not isinstance(box, Box):
                raise TypeError(f"box {number} is {box!r}: give a Box, such as Box(((0, 16), (0, 16)))")
            if len(box.spans) != len(self.shape):
                raise ValueError(
                    f"box {number} has {len(box.spans)} axes, the input {len(self.shape)}: "
                    "give a (start, stop) for each of its last axes that are cut"
                )
            for a, ((start, stop), n) in enumerate(zip(box, self.shape, strict=True)):
                if not 0 <= start < stop <= n:
                    raise ValueError(
                        f"box {number} spans {start}:{stop} on axis {a} of {n} pixels: it must lie inside 0:{n} and "
                        "hold a pixel"
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
        shape = _numbers("shape", shape)
        boxes = _per_axis("grid", boxes, len(shape))
        extent = _per_axis("crop", crop, len(shape)) if crop is not None else shape
        if any(inner > n for inner, n in zip(extent, shape, strict=True)):
            raise ValueError(f"crop {list(extent)} is larger than the input {list(shape)}: give at most that")
        if size is not None:
            each = _per_axis("size", size, len(shape))
            if overlap:
                raise ValueError(f"overlap {overlap} and size {list(each)} exclude each other: give one of them")
            spans = map(_sized, extent, boxes, each)
        else:
            spans = (_cut(n, p, overlap) for n, p in zip(extent, boxes, strict=True))
        borders = [(n - inner) // 2 for n, inner in zip(shape, extent, strict=True)]
        axes = [[(b + start, b + stop) for start, stop in each] for b, each in zip(borders, spans, strict=True)]
        return cls(shape, tuple(Box(chosen) for chosen in product(*axes)))

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Box]:
        return iter(self.boxes)

    def __str__(self) -> str:
        """'Partition 32x32: 4 boxes of 20x20 at (0, 0) (0, 12) (12, 0) (12, 12)'; of many boxes the first ones."""
        shapes = {box.shape for box in self}
        size = f" of {_by(self.boxes[0].shape)} at" if len(shapes) == 1 else ""
        named = [f"({', '.join(map(str, box.start))})" if size else str(box) for box in self.boxes[:SHOWN]]
        more = " ..." if len(self) > SHOWN else ""
        count = f"{len(self)} box{'es' if len(self) > 1 else ''}"
        return f"Partition {_by(self.shape)}: {count}{size} {' '.join(named)}{more}"

    def __repr__(self) -> str:
        return f"<{self}>"

    @property
    def complete(self) -> bool:
        """Whether every pixel lies in exactly one box: (2.6) of document 3."""
        return bool((self._mesh() == 1).all())

    @property
    def covers(self) -> bool:
        """Whether every pixel lies in some box."""
        return bool((self._mesh() > 0).all())

    @property
    def multiplicity(self) -> "np.ndarray":
        """[*shape]: in how many boxes each pixel lies."""
        import numpy as np

        count = self._mesh()
        for a, edges in enumerate(self._edges()):
            count = np.repeat(count, np.diff(edges), axis=a)
        return count

    def misaligned(self, stride: int | Sequence[int]) -> list[tuple[int, int, int]]:
        """(box, axis, start) of every start that the stride of its axis does not divide: where a network of that total
        stride sees the box shifted, so that composition is no identity (2.15)."""
        strides = self._strides(stride)
        return [(k, a, n) for k, box in enumerate(self) for a, n in enumerate(box.start) if n % strides[a]]

    def aligned(self, stride: int | Sequence[int]) -> Self:
        """Every start moved to the nearest multiple of the stride of its axis from where the box, which keeps its
        size, still lies inside. Pixels that only the moved boxes held may be in none afterwards: see `covers`."""
        strides = self._strides(stride)

        def moved(box: Box) -> Box:
            starts = [
                min(_round(start, s), (n - extent) // s) * s
                for start, extent, n, s in zip(box.start, box.shape, self.shape, strides, strict=True)
            ]
            return Box(tuple((start, start + extent) for start, extent in zip(starts, box.shape, strict=True)))

        return type(self)(self.shape, tuple(map(moved, self)))

    def split(self, x: Any) -> list[Any]:
        """The subimages of a batch (an array or a tensor [..., *shape]), as views."""
        if tuple(x.shape[-len(self.shape) :]) != self.shape:
            raise ValueError(f"input of shape {tuple(x.shape)} does not end in the partition's {self.shape}")
        return [x[box.slices] for box in self.boxes]

    def assemble(self, parts: Sequence[Any]) -> Any:
        """[..., *shape] from one piece [..., *box.shape] per box: the inverse of `split` on every pixel that has a box.

        A pixel in several boxes becomes the mean of their values, so that whole numbers become fractions where boxes
        overlap; a pixel in no box becomes 0. Arrays give an array, tensors a tensor of their device and dtype that
        passes gradients on."""
        lead = self._lead(parts)
        if (self._mesh() <= 1).all():
            whole = _zeros(parts[0], (*lead, *self.shape))
            for box, part in zip(self, parts, strict=True):
                whole[box.slices] = part
            return whole
        whole = _zeros(parts[0] / 1, (*lead, *self.shape))
        seen = _zeros(whole, self.shape)
        for box, part in zip(self, parts, strict=True):
            mean = whole[box.slices]  # a running mean gives back equal values to the last bit, a sum would round
            whole[box.slices] = mean + (part - mean) / (seen[box.slices] + 1)
            seen[box.slices] += 1
        return whole

    def _lead(self, parts: Sequence[Any]) -> tuple[int, ...]:
        """The axes before the partitioned ones, which all pieces share."""
        if len(parts) != len(self):
            raise ValueError(f"{len(parts)} pieces for {len(self)} boxes: give one for each, in their order")
        lead = tuple(parts[0].shape[: -len(self.shape)])
        for k, (box, part) in enumerate(zip(self, parts, strict=True)):
            if tuple(part.shape) != (*lead, *box.shape):
                raise ValueError(f"piece {k} has shape {tuple(part.shape)}, box {k} takes {(*lead, *box.shape)}")
        return lead

    def _strides(self, stride: int | Sequence[int]) -> tuple[int, ...]:
        given = stride if isinstance(stride, Iterable) else [stride] * len(self.shape)
        return _per_axis("stride", given, len(self.shape))

    def _edges(self) -> list[list[int]]:
        """Along each axis, where boxes and the input start and stop."""
        return [sorted({0, n, *(edge for box in self for edge in box.spans[a])}) for a, n in enumerate(self.shape)]

    def _mesh(self) -> "np.ndarray":
        """How many boxes hold each cell between those edges: exact, and of few cells however long the axes are."""
        import numpy as np

        places = [{edge: place for place, edge in enumerate(edges)} for edges in self._edges()]
        count = np.zeros([len(along) - 1 for along in places], np.int32)
        for box in self:
            count[tuple(slice(at[a], at[b]) for (a, b), at in zip(box, places, strict=True))] += 1
        return count


def padded(image_shape: Sequence[int], pad: int) -> tuple[int, ...]:
    """Shape of an image (channels first) with `pad` pixels around: what a partition cuts."""
    return (image_shape[0], *(n + 2 * pad for n in image_shape[1:]))


def _cut(n: int, p: int, overlap: int) -> list[tuple[int, int]]:
    if p > n:
        raise ValueError(f"{p} boxes along an axis of {n}: at most one box per pixel")
    if not _whole(overlap) or overlap < 0:
        raise ValueError(f"overlap {overlap!r}: give a whole number of pixels, 0 or more")
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


def _per_axis(name: str, values: Sequence[int], axes: int) -> tuple[int, ...]:
    """One positive whole number per axis of the input."""
    numbers = _numbers(name, values)
    if len(numbers) != axes:
        raise ValueError(f"{name} {list(numbers)} has {len(numbers)} axes, the input {axes}: give one number for each")
    return numbers


def _numbers(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """Positive whole numbers, at least one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} {values!r}: give one whole number per axis, such as (2, 2)")
    given = tuple(values)
    if not given or not all(_whole(value) and value > 0 for value in given):
        raise ValueError(f"{name} {list(given)}: give whole numbers, 1 or more, one per axis")
    return tuple(map(index, given))


def _whole(value: Any) -> bool:
    """Whether it is a whole number, of Python's or of an array's kind."""
    try:
        index(value)
    except TypeError:
        return False
    return True


def _round(a: int, b: int) -> int:
    """a/b to the nearest integer, halves up: Python's round() would go to the even neighbour."""
    return (2 * a + b) // (2 * b)


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _zeros(like: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of the kind, device and dtype of `like`, an array or a tensor."""
    if hasattr(like, "new_zeros"):
        return like.new_zeros(shape)
    import numpy as np

    return np.zeros(shape, like.dtype)
