"""What the cells of a study found: of every preset and strategy each seed's figures, and their spread."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import Any

from schwarz.config import STRATEGIES
from schwarz.published_accuracies import Accuracy, accuracies
from schwarz.study.cells import Cell
from schwarz.study.costs import cost_of, pretrained
from schwarz.study.spread import Spread, spread

FIGURES = (
    "validation", "train", "test", "top5", "epochs", "cpu_s", "apart_cpu_s", "wall_s", "training_cpu_s",
    "global_at_its_epochs", "global_at_its_cpu_s",
)  # fmt: skip
"""Of a strategy in a cell: accuracies, `top5` that of the five likeliest classes on validation images; epochs of its
local networks and its own together; costs with set-up, and of the training alone; the validation accuracy that `global`
had after as many epochs, or as many CPU-seconds."""
Figures = Mapping[str, float | None]
"""A figure that there is not is None."""
Course = Sequence[Mapping[str, float]]
"""Epochs, cpu_s and validation accuracy, epoch by epoch."""


@dataclass(frozen=True)
class Finding:
    """One strategy of a preset, or one of its local networks, over the seeds."""

    preset: str
    name: str
    figures: tuple[Figures, ...]
    """One for each seed."""
    classes: int
    """How many classes the images have."""
    course: Course = ()
    """Of `global` after each epoch: epochs, cpu_s and the best validation accuracy so far, means over the seeds."""

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
        printed = [{**each._asdict(), "difference": self.difference(each)} for each in self.printed]
        return {**known, "printed": printed, **({"course": list(self.course)} if self.course else {})}


def findings(cells: Iterable[Cell]) -> dict[str, list[Finding]]:
    """What finished cells found, by preset: the local networks first, then the strategies."""
    gathered: dict[str, dict[str, list[Figures]]] = {}
    courses: dict[tuple[str, str], list[Course]] = {}
    classes: dict[str, int] = {}
    for cell in cells:
        if results := cell.run.results():
            rows = gathered.setdefault(cell.preset, {})
            classes[cell.preset] = len(results["data"]["classes"])
            for name, figures in (_locals(results) | _strategies(cell, results)).items():
                rows.setdefault(name, []).append(figures)
            if "global" in results["strategies"]:
                courses.setdefault((cell.preset, "global"), []).append(_course(cell, results))
    return {
        preset: [
            Finding(preset, name, tuple(figures), classes[preset], _mean_course(courses.get((preset, name), ())))
            for name, figures in rows.items()
        ]
        for preset, rows in gathered.items()
    }


def mean_of_locals(found: Sequence[Finding]) -> Finding:
    """The local networks of a preset as one finding: in every figure of a seed their mean."""
    seeds = zip(*(each.figures for each in found), strict=True)
    means = [{name: _mean([figures[name] for figures in boxes]) for name in FIGURES} for boxes in seeds]
    return Finding(found[0].preset, f"local, mean of {len(found)}", tuple(means), found[0].classes)


def _mean_course(courses: Sequence[Course]) -> Course:
    """As far as all seeds were trained."""
    return tuple({name: fmean(at[name] for at in seeds) for name in seeds[0]} for seeds in zip(*courses, strict=False))


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
    curves, costs = results["curves"], {name: cost_of(cell.run, name) for name in results["strategies"]}
    course = _course(cell, results) if "global" in costs else []
    found = {}
    for name in (name for name in STRATEGIES if name in costs):
        row, levels = results["strategies"][name], {}
        epochs = epochs_of(name, curves, pretrained(cell.run) if name == "transfer" else None)
        if name != "global":
            levels = {
                "global_at_its_epochs": reached(course, "epochs", epochs),
                "global_at_its_cpu_s": reached(course, "cpu_s", costs[name].cpu_s),
            }
        found[name] = _row(row, epochs=epochs, training_cpu_s=row["cpu_s"], **vars(costs[name]), **levels)
    return found


def _row(row: Mapping[str, float], **more: float | None) -> Figures:
    reached = {name: row[name] for name in ("validation", "train", "test")} | {"top5": row.get("validation_top5")}
    return {**dict.fromkeys(FIGURES), **reached, **more}


def epochs_of(strategy: str, curves: Mapping[str, Any], pretrain: int | None = None) -> int:
    """How many epochs its local networks had, if it has any, and then the strategy itself; those of the coarse net, on
    a few probabilities, are not counted. `pretrain`: epochs of local networks that it has for itself."""
    own = len(curves[strategy]["epoch"]) if strategy in curves and strategy != "coarse" else 0
    if strategy in ("global", "coherent"):
        return own
    if pretrain is not None:
        return pretrain + own
    return own + max(len(curve["epoch"]) for name, curve in curves.items() if name.startswith("local "))


def _course(cell: Cell, results: Mapping[str, Any]) -> Course:
    """What `global` had reached after each epoch: the best one is kept, so the accuracy never falls."""
    curve = results["curves"]["global"]
    before = cost_of(cell.run, "global").cpu_s - curve["cpu_s"][-1]
    return [
        {"epochs": epoch, "cpu_s": before + cpu_s, "validation": best}
        for epoch, cpu_s, best in zip(
            curve["epoch"], curve["cpu_s"], accumulate(curve["validation_accuracy"], max), strict=True
        )
    ]


def reached(course: Course, measure: str, limit: float) -> float | None:
    """What was reached with so many epochs, or CPU-seconds; None before the first epoch was over."""
    return next((at["validation"] for at in reversed(course) if at[measure] <= limit), None)
