"""The images: which, how they are moved, how they are cut."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from schwarz.config.section import Axis, Section


class Data(Section):
    """The images."""

    name: str = Field(
        default="sample", min_length=1, description="data set: sample, or one added by `schwarz data add`"
    )
    md5: str | None = Field(
        default=None, description="version of the set; unset: what its .dvc file says when the run starts"
    )
    limit: int | None = Field(
        default=None, ge=2, description="use this many training images, class-balanced; unset: all"
    )
    validation: Annotated[float, Field(gt=0, lt=1)] | Literal["test"] = Field(
        default=0.1, description="share of the training images kept for every choice; 'test' repeats the papers' habit"
    )
    pad: int = Field(default=0, ge=0, description="pixels of zeros added on every side, inside the network's graph")
    normalise: Literal["channel", "pixel"] = Field(
        default="channel",
        description="mean and deviation of each channel over the training images; or, of values from 0 to 1, the mean "
        "of each pixel",
    )


class Augment(Section):
    """What a training image becomes, anew in every epoch, before a network sees it."""

    frame: Literal["image", "box"] = Field(
        default="image", description="what moves: the image, all its boxes together; or each box by itself"
    )
    shift: int = Field(default=0, ge=0, description="at most so many pixels along each axis; what comes in is 0")
    flip: bool = Field(default=False, description="half of them mirrored along the last axis: images left to right")
    rotation: float = Field(
        default=0.0, ge=0, le=180, description="at most so many degrees, in the plane of the first two axes"
    )
    zoom: float = Field(default=0.0, ge=0, lt=1, description="by a factor between 1 - zoom and 1 + zoom")

    @property
    def moves(self) -> bool:
        """Whether it changes anything."""
        return bool(self.shift or self.flip or self.resamples)

    @property
    def resamples(self) -> bool:
        """Whether new pixels lie between old ones."""
        return bool(self.rotation or self.zoom)


class PartitionConfig(Section):
    """How an image is cut into boxes."""

    boxes: tuple[tuple[tuple[int, ...], ...], ...] | None = Field(
        default=None,
        min_length=1,
        examples=[[[[0, 16], [0, 32]], [[12, 32], [4, 28]]]],
        description="any boxes, [start, stop] along each axis, instead of grid, overlap, size and crop",
    )
    grid: tuple[Axis, ...] | None = Field(
        default_factory=lambda known: (2, 2) if known["boxes"] is None else None,
        min_length=1,
        max_length=3,
        examples=[[2, 2]],
        description="boxes along each axis",
    )
    overlap: int = Field(default=0, ge=0, description="pixels by which a box grows past each interior cut")
    size: tuple[Axis, ...] | None = Field(
        default=None, description="one common box size; starts are then spread evenly"
    )
    crop: tuple[Axis, ...] | None = Field(
        default=None, description="centred crop of the image that is cut; unset: all of it"
    )

    @property
    def axes(self) -> int:
        """How many axes of an image are cut."""
        return len(self.boxes[0] if self.boxes else self.grid or ())

    @property
    def count(self) -> int:
        """How many boxes there are."""
        return len(self.boxes) if self.boxes else prod(self.grid or ())

    @property
    def words(self) -> str:
        """How images are cut, in words: '2x2 with overlap 4'."""
        if self.grid is None:
            return f"into {self.count} chosen boxes"
        size = f"boxes of {'x'.join(map(str, self.size))}" if self.size else f"overlap {self.overlap}"
        crop = f", of their centred {'x'.join(map(str, self.crop))}" if self.crop else ""
        return f"{'x'.join(map(str, self.grid))} with {size}{crop}"

    @classmethod
    def beneath(cls, below: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """What still counts of a section under the fields `given`: boxes replace a grid and all that belongs to it,
        a grid replaces boxes."""
        replaced: tuple[str, ...] = ()
        if given.get("boxes") is not None:
            replaced = ("grid", "overlap", "size", "crop")
        elif given.get("grid") is not None:
            replaced = ("boxes",)
        return {name: value for name, value in below.items() if name not in replaced}

    @model_validator(mode="after")
    def _boxes_or_a_grid(self) -> Self:
        if self.boxes is None:
            if self.grid is None:
                raise ValueError("neither grid nor boxes say how images are cut: give one of them")
            return self
        for name in ("grid", "overlap", "size", "crop"):
            if value := getattr(self, name):
                text = list(value) if isinstance(value, tuple) else value
                raise ValueError(f"{name} {text} and boxes exclude each other: give one of them")
        return self

    @model_validator(mode="after")
    def _boxes_hold_pixels(self) -> Self:
        for k, box in enumerate(self.boxes or ()):
            if len(box) != self.axes or not box:
                raise ValueError(f"box {k} has {len(box)} axes, box 0 {self.axes}: give each box the axes of an image")
            for span in box:
                if len(span) != 2 or not 0 <= span[0] < span[1]:
                    raise ValueError(f"box {k} has the span {list(span)}: give [start, stop] with 0 <= start < stop")
        return self

    @model_validator(mode="after")
    def _axes_agree(self) -> Self:
        for name in ("size", "crop"):
            value = getattr(self, name)
            if value is not None and self.grid is not None and len(value) != len(self.grid):
                raise ValueError(f"{name} {list(value)} has {len(value)} axes, grid {list(self.grid)} {len(self.grid)}")
        if self.size is not None and self.overlap:
            raise ValueError(f"overlap {self.overlap} and size {list(self.size)} exclude each other: give one of them")
        return self
