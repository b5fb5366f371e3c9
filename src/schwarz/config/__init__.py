"""The whole of a run as one frozen, typed object: the science in its sections, where it runs in `place`.

The same object drives the command line (`--local.epochs 3`), the pipeline (one JSON string per section),
the run folder (`config.toml`) and MLflow's parameters. A field is documented where it is defined.
"""

import hashlib
import json
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from schwarz.config.images import Augment, Data, PartitionConfig
from schwarz.config.network import Compose, Network
from schwarz.config.place import Place
from schwarz.config.section import Section
from schwarz.config.training import Coarse, Local, Training, Transfer, Tune

Strategy = Literal[
    "global", "average", "majority", "product", "coarse", "coherent", "transfer", "composed", "composed_tuned"
]
STRATEGIES: tuple[Strategy, ...] = Strategy.__args__  # type: ignore[attr-defined]  # typing keeps them there
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a run or a model may be called: a folder of that name, a model in MLflow."""


class Export(Section):
    """The ONNX model."""

    strategy: Strategy | Literal["best"] = Field(default="best", description="strategy to export; best: on validation")
    samples: int = Field(
        default=10,
        ge=0,
        le=100,
        description="validation images that the model's page offers, kept in its file; 0: none",
    )
    int8: bool = Field(default=False, description="write the model in whole numbers of 8 bits too, for processors")
    int8_margin: float = Field(
        default=0.01, ge=0, le=1, description="how much lower its validation accuracy may be; else it is not kept"
    )


class Register(Section):
    """The entry in the model registry."""

    name: str | None = Field(default=None, pattern=NAME, description="registered model name; unset: the preset's")
    int8: bool = Field(default=False, description="the graph in 8 bits, where the export kept one")


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
        if self.register_.int8 and not self.export.int8:
            raise ValueError("register.int8 is set, but no graph in 8 bits is made: set export.int8 too")
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


def sections(kind: type[Section] = Config) -> dict[str, type[Section]]:
    """Section name, as written in files and flags -> its class."""
    return {
        (info.alias or name): info.annotation
        for name, info in kind.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
    }


def fields(kind: type[Section] = Config) -> dict[str, Any]:
    """Every field by its full name, which is its flag ('seed', 'local.epochs', ...) -> pydantic's FieldInfo."""
    known = {n: i for n, i in kind.model_fields.items() if (i.alias or n) not in sections(kind)}
    for name, section in sections(kind).items():
        known |= {f"{name}.{field}": info for field, info in section.model_fields.items()}
    return known
