"""The networks: which family, of what widths; what is made of the trained ones."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from schwarz.config.section import Section
from schwarz.families import FAMILIES, Head
from schwarz.shrinking import Padding

FamilyName = Literal[
    "vgg3", "vgg9", "vgg16", "plain11", "resnet20", "resnet32", "resnet56", "resnet110", "resnet50", "resnet101",
    "resnet50-keras", "resnet101-keras", "lenet5", "cnn5", "ffn2", "mlp",
]  # fmt: skip
"""The families that take images."""


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


class Compose(Section):
    """The global network made of the trained local ones."""

    statistics: Literal["keep", "recompute"] = Field(
        default="keep",
        description="of BatchNorm: keep the local networks' own, which Theorem 2.1 speaks of; or recompute them on "
        "whole images",
    )
