"""Measure every strategy on the same images: training, validation and, here for the first time, test."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from schwarz import data as datasets
from schwarz.config import STRATEGIES, Strategy
from schwarz.files import read_json, write_json
from schwarz.images import Labelled, load, save_array, spread
from schwarz.intervals import wilson
from schwarz.journal import Journal
from schwarz.networks import count_parameters
from schwarz.steps.frame import Metrics, step
from schwarz.steps.train_local import fleet
from schwarz.strategies import COMBINED, Trained, history
from schwarz.training import accuracy, predict

TRAIN_IMAGES = 2000
"""Training accuracy is that of the finished network on this many training images, spread evenly."""

MLFLOW = {"test": "test_accuracy", "low": "test_accuracy_low", "high": "test_accuracy_high", "cpu_s": "training_cpu_s"}
"""Figure of a strategy -> the metric of its run; names that no training curve of the same run has."""


@step("evaluate")
def evaluate(
    strategies: list[Strategy], *, images: Path, locals_: list[Path], coarse: Path | None, coherent: Path | None,
    transfer: Path | None, composed: Path | None, composed_tuned: Path | None, global_: Path | None,
    journal: Journal, out: Path,
) -> Metrics:  # fmt: skip
    """Writes evaluation.json (accuracies with intervals, costs, confusion, curves, which is best on validation) and
    probabilities/<strategy>.npy, [test images, K]."""
    trained = Trained(fleet(locals_), coarse, coherent, transfer, composed, composed_tuned, global_)
    parts = _parts(images)
    local = _local_logits(trained, parts) if trained.locals_ else {}
    found: dict[Strategy, dict[str, Any]] = {}
    for name in sorted(strategies, key=STRATEGIES.index):
        scores = _scores(trained, name, parts, local)
        found[name] = _figures(scores, parts) | {
            "cpu_s": trained.cpu_s(name),
            "parameters": count_parameters(trained.model(name)),
        }
        found[name]["confusion"] = _confusion(scores["test"], parts["test"].y)
        save_array(out / "probabilities" / f"{name}.npy", scores["test"].softmax(-1).numpy())
        journal.write("progress", done=len(found), total=len(strategies))
        journal.write("run", run=name, params={"strategy": name}, tags={})
        journal.write("metric", run=name, epoch=0, metrics={MLFLOW[key]: found[name][key] for key in MLFLOW})
        journal.write("end", run=name)
    best = max(found, key=lambda name: (found[name]["validation"], -found[name]["parameters"]))
    write_json(out / "evaluation.json", {
        "best": best,
        "classes": read_json(images / "data.json")["classes"],
        "confusion": {name: figures.pop("confusion") for name, figures in found.items()},
        "strategies": found,
        "locals": [_local(trained, k, local, parts) for k in range(len(trained.locals_))],
        "curves": _curves(trained),
    })  # fmt: skip
    return {f"{name}_{part}": figures[part] for name, figures in found.items() for part in ("test", "validation")}


def confusion_of_best(evaluation: Path) -> tuple[list[str], list[list[int]]]:
    """Classes and confusion counts of the best strategy."""
    found = read_json(evaluation / "evaluation.json")
    return found["classes"], found["confusion"][found["best"]]


def _parts(images: Path) -> dict[str, Labelled]:
    x, y = datasets.read(images / "test", "test")
    return {
        "train": spread(load(images, "train"), TRAIN_IMAGES),
        "validation": load(images, "validation"),
        "test": Labelled(x, y.astype(np.int64)),
    }


def _local_logits(trained: Trained, parts: dict[str, Labelled]) -> dict[str, Tensor]:
    """[images, N, K] per part: what all combiners work on, computed once."""
    model = trained.blueprint.divided(trained.fleet, nn.Identity())
    return {name: predict(model, part.x) for name, part in parts.items()}


def _scores(
    trained: Trained, strategy: Strategy, parts: dict[str, Labelled], local: dict[str, Tensor]
) -> dict[str, Tensor]:
    if strategy not in COMBINED:
        model = trained.model(strategy)
        return {name: predict(model, part.x) for name, part in parts.items()}
    combiner = trained.combiner(strategy)
    with torch.inference_mode():
        scores = {name: combiner(logits) for name, logits in local.items()}
    if strategy == "coarse":  # it learned from the validation images: its cross-fitted scores stand for it there
        scores["validation"] = torch.from_numpy(np.load(trained.folder("coarse") / "validation.npy"))
    return scores


def _figures(scores: dict[str, Tensor], parts: dict[str, Labelled]) -> dict[str, float]:
    reached = {name: accuracy(scores[name], part.y) for name, part in parts.items()}
    n = len(parts["test"])
    low, high = wilson(round(reached["test"] * n), n)
    return {
        "test": reached["test"],
        "low": low,
        "high": high,
        **{name: reached[name] for name in ("validation", "train")},
    }


def _local(trained: Trained, k: int, logits: dict[str, Tensor], parts: dict[str, Labelled]) -> dict[str, float]:
    figures = _figures({name: scores[:, k] for name, scores in logits.items()}, parts)
    return {"box": k, **figures, "cpu_s": history(trained.locals_[k])["cpu_s"][-1]}


def _confusion(scores: Tensor, y: np.ndarray) -> list[list[int]]:
    """Counts [true class, predicted class]."""
    classes = scores.shape[-1]
    pairs = y * classes + scores.argmax(-1).numpy()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).tolist()


def _curves(trained: Trained) -> dict[str, dict[str, list[float]]]:
    whole = {
        name: getattr(trained, name.replace("global", "global_"))
        for name in ("coarse", "coherent", "transfer", "global", "composed_tuned")
    }
    folders = {f"local {k}": folder for k, folder in enumerate(trained.locals_)} | whole
    return {name: history(folder) for name, folder in folders.items() if folder is not None}
