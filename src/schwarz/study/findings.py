"""What the cells of a study found: of every preset and strategy each seed's figures, and their spread."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from schwarz.config import STRATEGIES
from schwarz.published_accuracies import Accuracy, accuracies
from schwarz.study.cells import Cell
from schwarz.study.costs import cost_of
from schwarz.study.spread import Spread, spread

FIGURES = (
    "validation", "train", "test", "epochs", "cpu_s", "apart_cpu_s", "wall_s", "training_cpu_s",
    "global_at_its_epochs", "global_at_its_cpu_s",
)  # fmt: skip
"""Of a strategy in a cell: accuracies; epochs of its local networks and its own together; costs with set-up, and of the
training alone; the validation accuracy that `global` had after as many epochs, or as many CPU-seconds."""
Figures = Mapping[str, float | None]
"""A figure that there is not is None."""


@dataclass(frozen=True)
class Finding:
    """One strategy of a preset, or one of its local networks, over the seeds."""

    preset: str
    name: str
    figures: tuple[Figures, ...]
    """One for each seed."""

    def of(self, figure: str) -> Spread | None:
        return spread([figures[figure] for figures in self.figures])

    @property
    def local(self) -> bool:
        return self.name.startswith("local ")

    @property
    def printed(self) -> tuple[Accuracy, ...]:
        """What the documents print."""
        return accuracies(self.preset, self.name)

    def difference(self, printed: Accuracy) -> float:
        """How far ours is above what is printed, both on validation images."""
        return fmean(figures["validation"] or 0.0 for figures in self.figures) - printed.share

    def to_json(self) -> dict[str, Any]:
        known = {name: found.to_json() for name in FIGURES if (found := self.of(name))}
        return {
            **known,
            "printed": [{**each._asdict(), "difference": self.difference(each)} for each in self.printed],
        }


def findings(cells: Iterable[Cell]) -> dict[str, list[Finding]]:
    """What finished cells found, by preset: the local networks first, then the strategies."""
    gathered: dict[str, dict[str, list[Figures]]] = {}
    for cell in cells:
        if results := cell.run.results():
            rows = gathered.setdefault(cell.preset, {})
            for name, figures in (_locals(results) | _strategies(cell, results)).items():
                rows.setdefault(name, []).append(figures)
    return {
        preset: [Finding(preset, name, tuple(figures)) for name, figures in rows.items()]
        for preset, rows in gathered.items()
    }


def mean_of_locals(found: Sequence[Finding]) -> Finding:
    """The local networks of a preset as one finding: in every figure of a seed their mean."""
    seeds = zip(*(each.figures for each in found), strict=True)
    means = [{name: _mean([figures[name] for figures in boxes]) for name in FIGURES} for boxes in seeds]
    return Finding(found[0].preset, f"local, mean of {len(found)}", tuple(means))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _locals(results: Mapping[str, Any]) -> dict[str, Figures]:
    found = {}
    for row in results["locals"]:
        name = f"local {row['box']}"
        found[name] = _row(row, epochs=len(results["curves"][name]["epoch"]), training_cpu_s=row["cpu_s"])
    return found


def _strategies(cell: Cell, results: Mapping[str, Any]) -> dict[str, Figures]:
    curves, costs = results["curves"], {name: cost_of(cell.run.path, name) for name in results["strategies"]}
    found = {}
    for name in (name for name in STRATEGIES if name in costs):
        row, epochs, levels = results["strategies"][name], epochs_of(name, curves), {}
        if "global" in costs and name != "global":
            spent = [
                cpu_s + costs["global"].cpu_s - curves["global"]["cpu_s"][-1] for cpu_s in curves["global"]["cpu_s"]
            ]
            levels = {
                "global_at_its_epochs": reached(curves["global"], epochs),
                "global_at_its_cpu_s": reached(curves["global"], sum(s <= costs[name].cpu_s for s in spent)),
            }
        found[name] = _row(row, epochs=epochs, training_cpu_s=row["cpu_s"], **vars(costs[name]), **levels)
    return found


def _row(row: Mapping[str, float], **more: float | None) -> Figures:
    return {**dict.fromkeys(FIGURES), **{name: row[name] for name in ("validation", "train", "test")}, **more}


def epochs_of(strategy: str, curves: Mapping[str, Any]) -> int:
    """How many epochs its local networks had, if it has any, and then the strategy itself; those of the coarse net, on
    a few probabilities, are not counted."""
    own = len(curves[strategy]["epoch"]) if strategy in curves and strategy != "coarse" else 0
    if strategy in ("global", "coherent"):
        return own
    return own + max(len(curve["epoch"]) for name, curve in curves.items() if name.startswith("local "))


def reached(curve: Mapping[str, Sequence[float]], epochs: int) -> float | None:
    """The best validation accuracy of so many epochs, or of all; None before the first one is over."""
    return max(curve["validation_accuracy"][:epochs], default=None)
