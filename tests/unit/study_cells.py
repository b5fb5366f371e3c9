"""Cells of a study that have ended, whose costs and accuracies are round numbers."""

import json
from pathlib import Path
from typing import Any

from schwarz.presets import preset
from schwarz.study.cells import Cell, plan

STEPS = {
    "prepare_data": (3.0, 30.0), "split": (2.0, 20.0), "train_coarse": (5.0, 5.0),
    "train_coherent/scratch": (40.0, 4.0), "train_coherent/transfer": (20.0, 2.0), "compose": (6.0, 6.0),
    "train_global/random": (100.0, 50.0), "train_global/composed": (30.0, 3.0), "evaluate": (1000.0, 1000.0),
}  # fmt: skip
"""CPU-seconds and seconds of the steps of a run."""
LOCALS = ((9.0, 8.0), (12.0, 10.0))
"""CPU-seconds of the step and of its training, of two local networks."""
IMAGES = {"train": 45000, "validation": 5000, "test": 10000, "shape": [3, 32, 32]}


def wrote(run: Path, step: str, cpu_s: float, wall_s: float, **histories: float) -> None:
    """A step's done.json, and the histories below it."""
    folder = run / "steps" / step
    for name, trained_s in histories.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "history.json").write_text(json.dumps({"cpu_s": [trained_s / 2, trained_s]}))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "done.json").write_text(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s}))


def row(validation: float, train: float, test: float, cpu_s: float) -> dict[str, float]:
    return {"validation": validation, "train": train, "test": test, "cpu_s": cpu_s}


def finished(cell: Cell, better: float, **images: Any) -> None:
    """Let a cell have ended, its accuracies higher by `better`, of these `images` rather than IMAGES."""
    for step in ("prepare_data", "split", "train_coarse", "train_global/random"):
        wrote(cell.run.path, step, *STEPS[step])
    for k, (cpu_s, trained_s) in enumerate(LOCALS):
        wrote(cell.run.path, f"train_local/{k}", cpu_s, 1.0, **{f"box-{k}": trained_s})
    (cell.run.path / "results.json").write_text(json.dumps({
        "created": "2026-01-01T00:00:00+00:00", "best": "coarse", "run": {"wall_s": 1.0},
        "data": {"name": "cifar10", "md5": "0.dir", "classes": [*"abcdefghij"], **IMAGES, **images},
        "lineage": {"commit": "a" * 40, "dirty": False, "processor": "a CPU", "versions": {"torch": "2"}},
        "locals": [{"box": k, **row(0.5 + better, 0.6, 0.5, trained_s)} for k, (_, trained_s) in enumerate(LOCALS)],
        "strategies": {
            "global": row(0.75 + better, 0.85, 0.74, 80.0), "average": row(0.6 + better, 0.7, 0.61, 18.0),
            "coarse": row(0.7 + better, 0.8, 0.71, 20.0),
        },
        "curves": {
            **{f"local {k}": {"epoch": [1, 2]} for k in (0, 1)}, "coarse": {"epoch": [1]},
            "global": {
                "epoch": [1, 2, 3], "cpu_s": [10.0, 45.0, 80.0], "validation_accuracy": [0.5, 0.75 + better, 0.72],
            },
        },
    }))  # fmt: skip


def three_seeds(folder: Path) -> list[Cell]:
    """A study of document 1's CIFAR-10 with three seeds, which have ended."""
    made = plan([preset("cifar10-vgg9-2x2")], 3, folder / "study")
    for cell, better in zip(made, (0.0, 0.01, 0.02), strict=True):
        finished(cell, better)
    return made
