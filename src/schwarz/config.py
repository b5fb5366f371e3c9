"""The whole of a run as one frozen, typed object: the science in its sections, where it runs in `place`.

The same object drives the command line (`--local.epochs 3`), the pipeline (one JSON string per section),
the run folder (`config.toml`) and MLflow's parameters. A field is documented where it is defined.
"""

import hashlib
import json
from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schwarz.families import FAMILIES, Head
from schwarz.shrinking import Padding

Strategy = Literal[
    "global", "average", "majority", "product", "coarse", "coherent", "transfer", "composed", "composed_tuned"
]
STRATEGIES: tuple[Strategy, ...] = Strategy.__args__  # type: ignore[attr-defined]  # typing keeps them there
FamilyName = Literal[
    "vgg3", "vgg9", "vgg16", "plain11", "resnet20", "resnet32", "resnet56", "resnet110", "resnet50", "resnet101",
    "resnet50-keras", "resnet101-keras", "lenet5", "cnn5", "ffn2", "mlp",
]  # fmt: skip
"""The families that take images."""
Axis = Annotated[int, Field(ge=1)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a run or a model may be called: a folder of that name, a model in MLflow."""


class Section(BaseModel):
    """One concern of a run. Immutable; an unknown or mistyped field is refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        populate_by_name=True,
        alias_generator=lambda name: name.rstrip("_"),  # section `global` is the attribute `global_`
    )


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
    flip: bool = Field(default=False, description="half of them mirrored along the last axis, left to right")
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


class Network(Section):
    """The global network; every local network is its share by `decompose`."""

    family: FamilyName = Field(
        default="vgg9", description="architecture of the global and the local networks; `schwarz networks` lists them"
    )
    width: int | None = Field(
        default=None, ge=1, description="channels of the first stage of the global network; unset: the family's own"
    )
    dense: int | None = Field(
        default=None, ge=1, description="neurons of each of its hidden dense layers; unset: the family's own"
    )
    padding: Padding | None = Field(
        default=None, description="padding of the convolutions; unset: the family's own", examples=["valid"]
    )
    head: Head | None = Field(
        default=None, description="how the last map is read: all or means; unset: the family's own", examples=["pool"]
    )

    @model_validator(mode="after")
    def _can_be_chosen(self) -> Self:
        own = FAMILIES[self.family].own
        for name in ("width", "dense", "padding", "head"):
            if name not in own and getattr(self, name) is not None:
                raise ValueError(
                    f"{name} = {getattr(self, name)!r}: {self.family} has no such thing; leave it unset "
                    f"(`--network.{name} none`). It can be given {', '.join(own)}"
                )
        return self

    @property
    def choices(self) -> dict[str, Any]:
        """All that can be chosen of the family: what is given, else its own value."""
        own = FAMILIES[self.family].own
        return {name: value if (value := getattr(self, name)) is not None else own[name] for name in own}


class Training(Section):
    """How one network is trained."""

    epochs: int = Field(default=6, ge=1, description="passes over the training images")
    batch: int = Field(default=64, ge=1, description="images per step")
    steps: int | None = Field(
        default=None, ge=1, description="steps of an epoch, which then ends anywhere in a pass; unset: one whole pass"
    )
    lr: float = Field(default=2e-3, gt=0, description="peak learning rate of Adam")
    schedule: Literal["constant", "cosine", "exponential"] = Field(
        default="cosine", description="course of the learning rate to the end"
    )
    decay: float = Field(
        default=0.95, gt=0, le=1, description="what the exponential course multiplies the rate by after every epoch"
    )
    drops: tuple[tuple[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0)]], ...] = Field(
        default=(), examples=[[[80, 0.1], [140, 0.1]]], description="after epoch [e, f] the rate is f times what it was"
    )
    plateau: int | None = Field(
        default=None,
        ge=1,
        description="after so many epochs without a gain on validation the rate is divided by 10^(1/2)",
    )
    stop_after: int | None = Field(
        default=None, ge=1, description="end after so many epochs without a gain on validation; unset: train to the end"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="decoupled weight decay (AdamW)")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of the activations; weights and the optimizer stay float32"
    )


class Local(Training):
    """How the local networks are trained."""

    engine: Literal["auto", "stacked", "loop"] = Field(
        default="auto",
        description="one after the other, or those of one shape stacked as one network; auto: what is faster here",
    )


class Coarse(Training):
    """The dense net on the concatenated local probabilities."""

    hidden: tuple[Axis, ...] = Field(default=(64, 64, 64, 64), description="neurons of its hidden layers")
    source: Literal["holdout", "train", "out-of-fold"] = Field(
        default="holdout",
        description="what it learns from: validation images; training images, which the local networks have memorised; "
        "or these, answered by local networks that were trained without their fold",
    )
    folds: int = Field(
        default=5,
        ge=2,
        description="folds behind its own validation accuracy, or those that networks are trained without",
    )


class Transfer(Training):
    """The coherent model started from the trained local networks."""

    coarse: Literal["random", "trained"] = Field(
        default="random", description="start of its coarse net; trained: alone first, on the frozen local networks"
    )
    pretrain: int | None = Field(
        default=None,
        ge=1,
        examples=[150],
        description="epochs of local networks of its own, trained as `local` says but for so long, that it starts from "
        "(150 in document 1); unset: it starts from the trained local networks",
    )


class Tune(Training):
    """Fine-tuning of the composed network."""

    moments: Literal["fresh", "composed"] = Field(
        default="fresh",
        description="of Adam: none to begin with; or composed from those that the local networks ended with, by the "
        "maps of their weights",
    )


class Compose(Section):
    """The global network made of the trained local ones."""

    statistics: Literal["keep", "recompute"] = Field(
        default="keep",
        description="of BatchNorm: keep the local networks' own, which Theorem 2.1 speaks of; or recompute them on "
        "whole images",
    )


class Export(Section):
    """The ONNX model."""

    strategy: Strategy | Literal["best"] = Field(default="best", description="strategy to export; best: on validation")


class Register(Section):
    """The entry in the model registry."""

    name: str | None = Field(default=None, pattern=NAME, description="registered model name; unset: the preset's")


class Place(Section):
    """Where it runs: no part of any digest or cache key."""

    pods: int | None = Field(
        default=None, ge=1, description="pods the local networks are trained on; unset: one per box"
    )
    workers: int = Field(
        default=1, ge=1, description="processes that share the local networks of one pod; each trains its own as fleets"
    )
    threads: int = Field(default=1, ge=1, description="threads of each process")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="what networks are trained on; auto: a CUDA device if there is one"
    )
    checkpoint_minutes: float = Field(
        default=10, gt=0, description="how old a checkpoint gets within an epoch; after each epoch there is one anyway"
    )

    @property
    def environment(self) -> dict[str, str]:
        """As processes are told of it: a step does not get this section, which would be part of its result's key."""
        threads = str(self.threads)
        return {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "SCHWARZ_WORKERS": str(self.workers),
            "SCHWARZ_DEVICE": self.device,
            "SCHWARZ_CHECKPOINT_MINUTES": str(self.checkpoint_minutes),
        }


class Config(Section):
    """One complete run."""

    preset: str = Field(..., pattern=NAME, description="name of the run: its folder, experiment and model")
    seed: int = Field(default=0, ge=0, lt=2**31, description="decides weights, batch order and the validation images")
    strategies: tuple[Strategy, ...] = Field(
        default=STRATEGIES, min_length=1, description="what is trained and compared"
    )
    data: Data = Field(default=Data(), description="the images")
    partition: PartitionConfig = Field(default=PartitionConfig(), description="how an image is cut into boxes")
    augment: Augment = Field(default=Augment(), description="what training images become in every epoch")
    network: Network = Field(
        default=Network(), description="the global network; a local one is its share by `decompose`"
    )
    local: Local = Field(default=Local(), description="training of each local network")
    coarse: Coarse = Field(default=Coarse(), description="the dense net on the local probabilities")
    coherent: Training = Field(default=Training(), description="locals and coarse net as one model, from scratch")
    transfer: Transfer = Field(default=Transfer(), description="the coherent model, from the trained locals")
    compose: Compose = Field(default=Compose(), description="the global network made of the trained local ones")
    global_: Training = Field(default=Training(), description="the global network, from random weights")
    tune: Tune = Field(default=Tune(), description="fine-tuning of the composed network")
    export: Export = Field(default=Export(), description="the ONNX model")
    register_: Register = Field(default=Register(), description="the entry in the model registry")
    place: Place = Field(default=Place(), description="where it runs: no part of any digest or cache key")

    @model_validator(mode="after")
    def _strategies_hold_together(self) -> Self:
        if len(set(self.strategies)) < len(self.strategies):
            raise ValueError(f"strategies {list(self.strategies)} name one twice")
        wanted = self.export.strategy
        if wanted != "best" and wanted not in self.strategies:
            raise ValueError(f"export.strategy {wanted!r} is not among the strategies {list(self.strategies)}")
        if self.data.validation == "test" and "coarse" in self.strategies and self.coarse.source == "holdout":
            raise ValueError(
                "data.validation 'test' would train the coarse net on test images: leave `coarse` out of the "
                "strategies, or set coarse.source to 'train' or 'out-of-fold'"
            )
        return self

    def science(self) -> str:
        """Digest of all that decides the weights."""
        return digest(self.model_dump(mode="json", by_alias=True, exclude={"place", "preset", "register_"}))


def digest(value: Any) -> str:
    """Sixteen hex digits of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def sections() -> dict[str, type[Section]]:
    """Section name, as written in files and flags -> its class."""
    return {
        (info.alias or name): info.annotation
        for name, info in Config.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
    }


def fields() -> dict[str, Any]:
    """Every flag ('seed', 'local.epochs', ...) -> pydantic's FieldInfo."""
    known = {n: i for n, i in Config.model_fields.items() if (i.alias or n) not in sections()}
    for name, section in sections().items():
        known |= {f"{name}.{field}": info for field, info in section.model_fields.items()}
    return known
