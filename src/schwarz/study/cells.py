"""The cells of a study: one run for every preset and seed, in its folder DIR/PRESET/SEED."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from schwarz.config import Config
from schwarz.errors import WrongInput
from schwarz.runs import RunFolder, another, create, differences, foreign, open_run


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

    WrongInput where `check` refuses them; nothing was made then.
    """
    check(configs, seeds, out)
    for config, path in _folders(configs, seeds, out):
        create(config, path)
    order = {config.preset: place for place, config in enumerate(configs)}
    return sorted(existing(out), key=lambda cell: (cell.seed, order.get(cell.preset, len(order)), cell.preset))


def check(configs: Sequence[Config], seeds: int, out: Path) -> None:
    """WrongInput where `plan` cannot make these cells: `out` has others of the same names, or holds something that is
    no study. Nothing is written."""
    names = [config.preset for config in configs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise WrongInput(f"{twice!r} is named twice: each preset once, it is run with every seed.")
    known = existing(out)
    for config in configs:
        _refuse_another(config, known)
    for _, path in _folders(configs, seeds, out):
        if foreign(path):
            raise WrongInput(f"{path}: holds something that is no cell of a study. Choose another -o.")


def _folders(configs: Sequence[Config], seeds: int, out: Path) -> Iterator[tuple[Config, Path]]:
    """Every cell's configuration and folder."""
    for config in configs:
        for seed in range(config.seed, config.seed + seeds):
            yield config.model_copy(update={"seed": seed}), out / config.preset / str(seed)


def existing(out: Path) -> list[Cell]:
    """The cells that a study has already; WrongInput where runs lie that are none."""
    if (out / "config.toml").exists():
        raise WrongInput(f"{out}: is the folder of a run, not of a study. Choose another -o.")
    cells = [Cell(open_run(file.parent)) for file in sorted(out.glob("*/*/config.toml"))]
    for cell in cells:
        path = cell.run.path
        if (path.parent.name, path.name) != (cell.preset, str(cell.seed)):
            raise WrongInput(
                f"{path}: holds a run of {cell}, which is no cell of a study: that would be in "
                f"{cell.preset}/{cell.seed}. Choose another -o."
            )
    return cells


def at_once(cells: Sequence[Cell], cores: int) -> int:
    """How many cells fill the cores, each with so many processes of so many threads as its configuration says."""
    return max(1, cores // max(cell.run.config.place.workers * cell.run.config.place.threads for cell in cells))


def _refuse_another(config: Config, known: Sequence[Cell]) -> None:
    """A preset has one configuration in a study, whatever the seed."""
    for cell in (cell for cell in known if cell.preset == config.preset):
        if changed := [text for text in differences(cell.run.config, config) if not text.startswith("seed: ")]:
            what = f"the study has {config.preset} with another configuration"
            raise another(cell.run.path, what, changed, "Choose another -o.")
