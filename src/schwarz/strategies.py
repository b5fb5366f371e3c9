"""Every strategy as a model on raw images, from what the steps left; what each took to train."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from torch import nn

from schwarz.blueprint import NETWORK, Blueprint, blueprint_of, load_coarse, load_divided, load_fleet, load_whole
from schwarz.coherent import Divided, Whole
from schwarz.combine import CHEAP
from schwarz.config import Strategy
from schwarz.files import read_json

COMBINED = (*CHEAP, "coarse")
"""Strategies that combine the answers of the trained local networks as they are."""


@dataclass(frozen=True)
class Trained:
    """The folders of what was trained; those that the strategies of a run do not need are absent."""

    locals_: list[Path] = field(default_factory=list)
    """One folder per local network, in the order of the boxes."""
    coarse: Path | None = None
    coherent: Path | None = None
    transfer: Path | None = None
    composed: Path | None = None
    composed_tuned: Path | None = None
    global_: Path | None = None

    def folder(self, name: str) -> Path:
        """The folder of a network that was trained or composed as a whole."""
        folder = getattr(self, "global_" if name == "global" else name)
        assert folder is not None, f"{name} was not trained, but its strategy was asked for"
        return folder

    @cached_property
    def blueprint(self) -> Blueprint:
        whole = (self.coherent, self.composed, self.global_)
        return blueprint_of(next(folder for folder in (*self.locals_, *whole) if folder is not None))

    @cached_property
    def fleet(self) -> list[nn.Module]:
        """The trained local networks."""
        return load_fleet(self.locals_)

    def model(self, strategy: Strategy) -> Whole | Divided:
        """The strategy on raw images."""
        if strategy in COMBINED:
            return self.blueprint.divided(self.fleet, self.combiner(strategy))
        return (load_divided if strategy in ("coherent", "transfer") else load_whole)(self.folder(strategy))

    def combiner(self, strategy: Strategy) -> nn.Module:
        """What makes one decision of the local ones: a cheap combiner, or the coarse net."""
        return CHEAP[strategy]() if strategy in CHEAP else load_coarse(self.folder("coarse"))

    def parts(self, strategy: Strategy) -> list[Path]:
        """The folders whose training a strategy's cost is made of."""
        if strategy in ("global", "coherent") or (strategy == "transfer" and self._pretrains):
            return [self.folder(strategy)]
        own = [self.folder(strategy)] if strategy in ("coarse", "transfer", "composed_tuned") else []
        return [*self.locals_, *own]

    @property
    def _pretrains(self) -> bool:
        """Whether `transfer` started from local networks of its own, whose cost its history has."""
        return read_json(self.folder("transfer") / NETWORK)["pretrain"] is not None

    def learned_from_validation(self, strategy: Strategy) -> bool:
        """Whether its coarse net did: the accuracy there that it is chosen by is then that of nets that did not."""
        return strategy == "coarse" and read_json(self.folder("coarse") / NETWORK)["source"] == "holdout"

    def cpu_s(self, strategy: Strategy) -> float:
        """CPU-seconds of training, all parts together."""
        return sum(history(folder)["cpu_s"][-1] for folder in self.parts(strategy))


def history(folder: Path) -> dict[str, list[float]]:
    """The history of the network trained in `folder`."""
    return read_json(folder / "history.json")
