"""What training images become, anew in every epoch: shifted, mirrored, turned, enlarged.

How an image moves is a function of (seed, epoch, image). Where the image moves as a whole, its boxes move together:
each shows the part of the moved image that lies in it, so that it needs a rim of what is around it, its mirror box
where images are mirrored, and the whole image where they are turned or enlarged. Whichever network sees it, and
wherever that is trained, the moved image is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from schwarz.config import Augment
from schwarz.images import Inputs, Labelled, Shards
from schwarz.seeds import derive

if TYPE_CHECKING:
    from torch import Tensor

Spans = Sequence[Sequence[int]]
WHOLE, MIRROR = "whole", "train-mirror-x.npy"


@dataclass(frozen=True)
class Part:
    """What is wanted of a moved image: the pixels at `spans` of its `frame`, and `border` zeros around them."""

    frame: tuple[int, ...]
    spans: Spans
    border: Spans

    @classmethod
    def whole(cls, frame: Sequence[int]) -> Self:
        """All of it."""
        return cls(tuple(frame), tuple((0, n) for n in frame), ((0, 0),) * len(frame))

    @classmethod
    def of_box(cls, frame: Sequence[int], box: Spans, pad: int) -> Self:
        """A box of images with `pad` zeros around: those pixels stay 0, whatever moves inside them."""
        asked = [(start - pad, stop - pad) for start, stop in box]
        inside = [(min(max(start, 0), n), max(min(stop, n), 0)) for (start, stop), n in zip(asked, frame, strict=True)]
        spans = tuple((start, max(start, stop)) for start, stop in inside)
        border = tuple((low - start, stop - high) for (start, stop), (low, high) in zip(asked, spans, strict=True))
        return cls(tuple(frame), spans, border)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the pixels, without the border."""
        return tuple(stop - start for start, stop in self.spans)

    @property
    def mirrored(self) -> Self:
        """The same part of the mirrored image, in the image's own coordinates."""
        *others, (start, stop) = self.spans
        n = self.frame[-1]
        return type(self)(self.frame, (*others, (n - stop, n - start)), self.border)

    def cut(self, x: np.ndarray, rim: int) -> np.ndarray:
        """Of images [n, C, *frame]: the pixels, and a rim of so many around them, 0 outside the frame."""
        grown = [(start - rim, stop + rim) for start, stop in self.spans]
        inside = [(max(start, 0), min(stop, n)) for (start, stop), n in zip(grown, self.frame, strict=True)]
        missing = [(low - start, stop - high) for (start, stop), (low, high) in zip(grown, inside, strict=True)]
        return bordered(x[(..., *(slice(low, high) for low, high in inside))], missing)


class Motions(NamedTuple):
    """How each of n images moves in an epoch: mirrored, turned and enlarged about its centre, then shifted."""

    shift: np.ndarray
    """[n, axes], pixels."""
    flip: np.ndarray
    """[n], along the last axis."""
    angle: np.ndarray
    """[n], radians, from the first axis to the second."""
    zoom: np.ndarray
    """[n], factors."""


def motions(augment: Augment, n: int, axes: int, seed: int, epoch: int) -> Motions:
    """A function of the seed, the epoch and the image's number; each motion of it alone, whatever the others are."""

    def generator(what: str) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(derive(seed, "augment", what, epoch)))

    turn = np.deg2rad(augment.rotation)
    return Motions(
        shift=generator("shift").integers(-augment.shift, augment.shift + 1, (n, axes)),
        flip=generator("flip").random(n) < 0.5 * augment.flip,
        angle=generator("rotation").uniform(-turn, turn, n),
        zoom=generator("zoom").uniform(1 - augment.zoom, 1 + augment.zoom, n),
    )


@dataclass(frozen=True)
class Moving:
    """Training images, or one box of each, that move: what `Labelled` is for images at rest."""

    x: np.ndarray
    """[n, C, *pixels]: what is read of each image. All of it where images are turned or enlarged; else the part that is
    wanted, and `rim` pixels around it."""
    y: np.ndarray
    part: Part
    augment: Augment
    seed: int
    mirror: np.ndarray | None = None
    """The same of the part's mirror image, where images are mirrored and that is another part."""
    rim: int = 0
    last: dict[int, Motions] = field(default_factory=dict, compare=False, repr=False)
    """The motions of the epoch that was asked for last, of all images."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input of the network."""
        extents = (size + sum(zeros) for size, zeros in zip(self.part.shape, self.part.border, strict=True))
        return (self.x.shape[1], *extents)

    @property
    def nbytes(self) -> int:
        """Of all that an epoch reads."""
        return self.x.nbytes + (0 if self.mirror is None else self.mirror.nbytes)

    @property
    def waits(self) -> bool:
        """Whether a batch has to be waited for."""
        return not isinstance(self.x, np.ndarray)

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        """[batch, C, ...]: the images at these places, as they are in an epoch."""
        moves = self.moves(at, epoch)
        moved = self._resampled(at, moves) if self.augment.resamples else self._shifted(at, moves)
        return bordered(moved, self.part.border)

    def moves(self, at: np.ndarray, epoch: int) -> Motions:
        """How the images at these places move in an epoch."""
        if epoch not in self.last:
            self.last.clear()
            self.last[epoch] = motions(self.augment, len(self), len(self.part.frame), self.seed, epoch)
        return Motions(*(each[at] for each in self.last[epoch]))

    def _shifted(self, at: np.ndarray, moves: Motions) -> np.ndarray:
        """Without new pixels between old ones: a window of what was read, at a place for each image."""
        found = np.empty((len(at), self.x.shape[1], *self.part.shape), self.x.dtype)
        for flip, source in ((False, self.x), (True, self.x if self.mirror is None else self.mirror)):
            mine = np.flatnonzero(moves.flip == flip)
            shift = moves.shift[mine]
            shift[:, -1] *= -1 if flip else 1
            windows = _windows(source[at[mine]], self.part.shape, self.augment.shift - self.rim)
            chosen = windows[(np.arange(len(mine)), slice(None), *(self.augment.shift - shift).T)]
            found[mine] = chosen[..., ::-1] if flip else chosen
        return found

    def _resampled(self, at: np.ndarray, moves: Motions) -> np.ndarray:
        import torch  # whoever only cuts images does without

        return resampled(torch.from_numpy(np.array(self.x[at])), self.part, moves).numpy()


def resampled(x: "Tensor", part: Part, moves: Motions) -> "Tensor":
    """Of whole images x [n, C, *frame] every pixel of the part, where it lies in the image before it moved, between the
    old ones."""
    import torch

    x = x if x.is_floating_point() else x.float()
    grid = torch.from_numpy(before(part, moves, np.float64 if x.dtype == torch.float64 else np.float32))
    return torch.nn.functional.grid_sample(x, grid.to(x.device), align_corners=False)


def _windows(x: np.ndarray, shape: tuple[int, ...], zeros: int) -> np.ndarray:
    """[n, C, *places, *shape]: views of every part of that shape, with zeros around what there is."""
    axes = tuple(range(2, x.ndim))
    around: Any = bordered(x, [(zeros, zeros)] * len(axes))
    return np.lib.stride_tricks.sliding_window_view(around, shape, axes)


def bordered(x: np.ndarray, border: Spans) -> np.ndarray:
    """x [n, C, *extents] with zeros around: `numpy.pad`, at a third of the price."""
    if not any(map(any, border)):
        return x
    extents = [before + n + after for n, (before, after) in zip(x.shape[2:], border, strict=True)]
    whole = np.zeros((*x.shape[:2], *extents), x.dtype)
    whole[(..., *(slice(before, before + n) for n, (before, _) in zip(x.shape[2:], border, strict=True)))] = x
    return whole


def before(part: Part, moves: Motions, dtype: Any) -> np.ndarray:
    """[n, *pixels, axes]: where each pixel of the part was before the images moved, as `grid_sample` counts: from -1 to
    1 over the image, the last axis first. An affine map of each image about its centre."""
    extents, axes = np.array(part.frame), len(part.frame)
    turned = np.tile(np.eye(axes), (len(moves.flip), 1, 1))
    turned[:, 0, 0] = turned[:, 1, 1] = np.cos(moves.angle)
    turned[:, 0, 1], turned[:, 1, 0] = np.sin(moves.angle), -np.sin(moves.angle)
    turned[:, -1] *= np.where(moves.flip, -1, 1)[:, None]
    matrix = turned * (2 / extents)[:, None] / moves.zoom[:, None, None]
    offset = -(matrix @ ((extents - 1) / 2 + moves.shift)[:, :, None])
    lead = (len(moves.flip), *[1] * axes)
    after = [
        np.arange(*span, dtype=dtype).reshape([-1 if a == b else 1 for b in range(axes)])
        for a, span in enumerate(part.spans)
    ]
    found = np.empty((len(moves.flip), *part.shape, axes), dtype)
    for axis in range(axes):
        terms = [matrix[:, axis, a].astype(dtype).reshape(lead) * u for a, u in enumerate(after)]
        found[..., axes - 1 - axis] = sum(terms, offset[:, axis].astype(dtype).reshape(lead))
    return found


@dataclass(frozen=True)
class Stored:
    """What `split` leaves of a box for training: where images move as wholes, what any motion may bring into it."""

    augment: Augment
    part: Part

    @property
    def together(self) -> bool:
        """Whether the box moves with its image."""
        return self.augment.moves and self.augment.frame == "image"

    @property
    def whole(self) -> bool:
        """Whether it needs the whole image."""
        return self.together and self.augment.resamples

    @property
    def mirror(self) -> Part | None:
        """Its mirror image, where that is needed and another part."""
        needed = self.together and self.augment.flip and self.part.mirrored.spans != self.part.spans
        return self.part.mirrored if needed else None


def moving(images: Labelled, augment: Augment, seed: int) -> "Labelled | Moving":
    """Whole images, moving as the configuration says."""
    if not augment.moves:
        return images
    return Moving(images.x, images.y, Part.whole(images.x.shape[2:]), augment, seed)


def training_box(shards: Shards, k: int, augment: Augment, seed: int) -> Inputs:
    """Box k of the training images that `split` cut, moving as the configuration says."""
    if not augment.moves:
        return shards.box(k, "train")
    if augment.frame == "box":
        alone = shards.box(k, "train")
        return Moving(alone.x, alone.y, Part.whole(alone.shape[1:]), augment, derive(seed, "box", k))
    stored, box = Stored(augment, part_of(shards.plan, k)), str(k)
    source = WHOLE if stored.whole else box
    for name in {box, source}:
        shards.check(name)
    mirror = shards.open(box, MIRROR) if stored.mirror and not stored.whole else None
    x, y = shards.open(source, "train-x.npy"), shards.labels(k, "train")
    return Moving(x, y, stored.part, augment, seed, mirror, 0 if stored.whole else augment.shift)


def pixels(shards: Shards, boxes: Sequence[int], augment: Augment) -> int:
    """How many pixels whoever trains these boxes has to read, once: those of the boxes; of boxes that move with their
    images what any motion may bring into them, or whole images, which serve all boxes."""
    channels, *frame = shards.plan["image_shape"]
    total = 0
    for k in boxes:
        box = prod(stop - start for start, stop in shards.plan["boxes"][k])
        stored = Stored(augment, part_of(shards.plan, k))
        moved = prod(size + 2 * augment.shift for size in stored.part.shape) * (1 + (stored.mirror is not None))
        train = 0 if stored.whole else moved if stored.together else box
        total += shards.counts["validation"] * box + shards.counts["train"] * train
    whole = Stored(augment, part_of(shards.plan, boxes[0])).whole
    return channels * (total + whole * shards.counts["train"] * prod(frame))


def part_of(plan: dict[str, Any], k: int) -> Part:
    """Box k as a part of the raw images."""
    return Part.of_box(plan["image_shape"][1:], plan["boxes"][k], plan["pad"])
