"""The cells of a study: one run for every preset and seed, in its folder DIR/PRESET/SEED."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schwarz.config import Config
from schwarz.errors import WrongInput
from schwarz.runs import RunFolder, create, differences, open_run


@dataclass(frozen=True)
class Cell:
    """One preset with one seed."""

    run: RunFolder

    @property
    def preset(self) -> str:
        return self.run.config.preset

    @property
    def seed(self) -> int:
        return self.run.config.seed

    def __str__(self) -> str:
        return f"{self.preset} seed {self.seed}"


def plan(configs: Sequence[Config], seeds: int, out: Path) -> list[Cell]:
    """All cells of the study in `out`: those of the configurations, each with its own seed and those that follow, made
    where they are not there; and those that it has already. Seed by seed: what is cut short has whole rounds.

    WrongInput where `out` holds a study of other configurations; nothing was made then.
    """
    names = [config.preset for config in configs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise WrongInput(f"{twice!r} is named twice: each preset once, it is run with every seed.")
    known = existing(out)
    for config in configs:
        _refuse_another(config, known)
    for config in configs:
        for seed in range(config.seed, config.seed + seeds):
            create(config.model_copy(update={"seed": seed}), out / config.preset / str(seed))
    order = {name: place for place, name in enumerate(names)}
    return sorted(existing(out), key=lambda cell: (cell.seed, order.get(cell.preset, len(order)), cell.preset))


def existing(out: Path) -> list[Cell]:
    """The cells that a study has already."""
    if (out / "config.toml").exists():
        raise WrongInput(f"{out}: is the folder of a run, not of a study. Choose another -o.")
    return [Cell(open_run(file.parent)) for file in sorted(out.glob("*/*/config.toml"))]


def _refuse_another(config: Config, known: Sequence[Cell]) -> None:
    """A preset has one configuration in a study, whatever the seed."""
    for cell in (cell for cell in known if cell.preset == config.preset):
        if changed := [text for text in differences(cell.run.config, config) if not text.startswith("seed: ")]:
            more = f"; and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise WrongInput(
                f"{cell.run.path}: the study has {config.preset} with another configuration "
                f"({'; '.join(changed[:3])}{more}). Choose another -o."
            )
