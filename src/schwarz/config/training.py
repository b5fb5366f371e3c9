"""How networks are trained: one description for all, and what each strategy adds to it."""

from typing import Annotated, Literal

from pydantic import Field

from schwarz.config.section import Axis, Section


class Course(Section):
    """How one network is trained, whatever comes of it."""

    epochs: int = Field(default=6, ge=1, description="passes over the training images")
    batch: int = Field(
        default=64, ge=1, description="images per step at most: the steps of a pass are of nearly one size"
    )
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
    weight_decay: float = Field(default=0.0, ge=0, description="decoupled weight decay (AdamW)")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of the activations; weights and the optimizer stay float32"
    )


class Training(Course):
    """How one network is trained, by what it gains on the validation images too."""

    plateau: int | None = Field(
        default=None,
        ge=1,
        description="after so many epochs without a gain on validation the rate is divided by 10^(1/2), until it drops",
    )
    floor: float = Field(default=0.0, ge=0, description="plateaus lower the rate to this and no further")
    stop_after: int | None = Field(
        default=None, ge=1, description="end after so many epochs without a gain on validation; unset: train to the end"
    )


class Local(Training):
    """How the local networks are trained."""

    engine: Literal["auto", "stacked", "loop"] = Field(
        default="auto",
        description="one after the other, or those of one shape stacked as one network; auto: what is faster here",
    )


class Coarse(Course):
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
    box_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of boxes that are missing while it is trained, so that it learns to do without some",
    )

    @property
    def training(self) -> Training:
        """How it is trained, to the end: no images are kept back from it to see a gain on."""
        return Training.model_validate({name: getattr(self, name) for name in Course.model_fields})


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
