"""The cells of a study: one run for every preset and seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schwarz.config import Config
from schwarz.errors import WrongInput
from schwarz.runs import RunFolder, create


@dataclass(frozen=True)
class Cell:
    """One preset with one seed, and its run folder."""

    run: RunFolder

    @property
    def label(self) -> str:
        return f"{self.run.config.preset} seed {self.run.config.seed}"


def seeded(config: Config, seeds: int) -> list[Config]:
    """The configuration with its own seed and the seeds that follow it."""
    return [config.model_copy(update={"seed": config.seed + n}) for n in range(seeds)]


def open_cells(configs: Sequence[Config], seeds: int, out: Path) -> list[Cell]:
    """The run folders out/PRESET/SEED, made or opened; seed by seed, so that a study cut short has whole rounds."""
    names = [config.preset for config in configs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise WrongInput(f"{twice!r} is named twice. Each preset once: it is run with every seed.")
    rounds = zip(*(seeded(config, seeds) for config in configs), strict=True)
    return [Cell(create(config, out / config.preset / str(config.seed))) for configs in rounds for config in configs]
