"""Measure every strategy on the same images: training, validation and, here for the first time, test."""

import tempfile
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from schwarz import data as datasets
from schwarz.activation_maps import last_map, look, pictures
from schwarz.blueprint import load_whole
from schwarz.config import STRATEGIES, Strategy
from schwarz.files import read_json, write_json
from schwarz.images import Labelled, load, save_array, spread_rows
from schwarz.intervals import wilson
from schwarz.journal import Journal
from schwarz.networks import count_parameters
from schwarz.partition import Partition
from schwarz.report.activation import FILES
from schwarz.shares import fleet
from schwarz.steps.compose import seen
from schwarz.steps.frame import Metrics, step
from schwarz.strategies import COMBINED, Trained, history
from schwarz.training import accuracy, predict

TRAIN_IMAGES = 2000
"""Training accuracy is that of the finished network on this many training images, spread evenly."""
TOP = 5
SHOWN = 4
"""Validation images whose class activation maps are kept."""

MLFLOW = {"test": "test_accuracy", "low": "test_accuracy_low", "high": "test_accuracy_high", "cpu_s": "training_cpu_s"}
"""Figure of a strategy -> the metric of its run; names that no training curve of the same run has."""


@step("evaluate")
def evaluate(
    strategies: list[Strategy], *, images: Path, locals_: list[Path], coarse: Path | None, coherent: Path | None,
    transfer: Path | None, composed: Path | None, composed_tuned: Path | None, global_: Path | None,
    journal: Journal, out: Path,
) -> Metrics:  # fmt: skip
    """Writes evaluation.json (accuracies with intervals, costs, confusion, curves, which is best on validation),
    probabilities/<strategy>.npy, [test images, K], and the class activation maps of some validation images."""
    trained = Trained(fleet(locals_), coarse, coherent, transfer, composed, composed_tuned, global_)
    parts = _parts(images, out)
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
    write_looks(out, trained, load(images, "validation"))
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


def write_looks(out: Path, trained: Trained, held: Labelled) -> None:
    """activation_maps.npy [networks, images, height, width] and what they are of: Figure 3.8 of document 3. Nothing
    where networks have no feature maps, or local ones were trained together with their coarse net alone."""
    blueprint, chosen = trained.blueprint, _of_different_classes(held.y)
    fresh, y = blueprint.global_network(0), torch.from_numpy(held.y[chosen])
    x = seen(blueprint, held.x[chosen])
    at = last_map(fresh, x)
    if at is None:
        return
    one = Partition.grid(blueprint.partition.shape, [1] * len(blueprint.partition.shape))
    folders = {"composed": trained.composed, "composed_tuned": trained.composed_tuned, "global": trained.global_}
    networks = {name: load_whole(folder).network for name, folder in folders.items() if folder}
    networks |= {"untrained": fresh} if networks else {}
    looks = {name: look([network], one, x, y, at) for name, network in networks.items()}
    if trained.locals_:
        looks = {"local": look(trained.fleet, blueprint.partition, x, y, at)} | looks
    if not looks:
        return
    says = {name: each.says.tolist() for name, each in looks.items()}
    write_json(out / FILES[0], {"images": chosen, "networks": says})
    save_array(out / FILES[1], pictures([*looks.values()]))


@dataclass(frozen=True)
class Part:
    """Some of the images, where they are mapped; they need not fit in memory."""

    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    def answers(self, model: nn.Module) -> Tensor:
        """Scores of these images."""
        return predict(model, self.x, self.rows)


def _parts(images: Path, out: Path) -> dict[str, Part]:
    train, validation = load(images, "train"), load(images, "validation")
    with tempfile.TemporaryDirectory(dir=out, prefix=".test.") as folder:  # what is mapped may be unlinked
        datasets.unpack(images / "test", "test", Path(folder))
        test = load(Path(folder), ".")
    rows = {"train": spread_rows(len(train), TRAIN_IMAGES)}
    rows |= {name: np.arange(len(part)) for name, part in (("validation", validation), ("test", test))}
    whole = {"train": train, "validation": validation, "test": test}
    return {name: Part(part.x, part.y[rows[name]], rows[name]) for name, part in whole.items()}


def _local_logits(trained: Trained, parts: dict[str, Part]) -> dict[str, Tensor]:
    """[images, N, K] per part: what all combiners work on, computed once."""
    model = trained.blueprint.divided(trained.fleet, nn.Identity())
    return {name: part.answers(model) for name, part in parts.items()}


def _scores(
    trained: Trained, strategy: Strategy, parts: dict[str, Part], local: dict[str, Tensor]
) -> dict[str, Tensor]:
    if strategy not in COMBINED:
        model = trained.model(strategy)
        return {name: part.answers(model) for name, part in parts.items()}
    combiner = trained.combiner(strategy)
    with torch.inference_mode():
        scores = {name: combiner(logits) for name, logits in local.items()}
    if strategy == "coarse":  # it learned from the validation images: its cross-fitted scores stand for it there
        scores["validation"] = torch.from_numpy(np.load(trained.folder("coarse") / "validation.npy"))
    return scores


def among_top(scores: Tensor, y: np.ndarray) -> float | None:
    """The share of images whose class is among the five largest scores [n, K]; None where there are no more classes."""
    if scores.shape[-1] <= TOP:
        return None
    return float((scores.topk(TOP).indices == torch.from_numpy(y)[:, None]).any(-1).double().mean())


def _figures(scores: dict[str, Tensor], parts: dict[str, Part]) -> dict[str, float | None]:
    reached = {name: accuracy(scores[name], part.y) for name, part in parts.items()}
    n = len(parts["test"].y)
    low, high = wilson(round(reached["test"] * n), n)
    return {
        "test": reached["test"],
        "low": low,
        "high": high,
        **{name: reached[name] for name in ("validation", "train")},
        "validation_top5": among_top(scores["validation"], parts["validation"].y),
    }


def _local(trained: Trained, k: int, logits: dict[str, Tensor], parts: dict[str, Part]) -> dict[str, float | None]:
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


def _of_different_classes(y: np.ndarray) -> list[int]:
    """The first image of each of several classes, evenly spread; of few classes the second ones too, and so on."""
    classes = np.unique(y)
    taken = classes[np.unique(np.linspace(0, len(classes) - 1, SHOWN).astype(int))]
    by_class = [np.flatnonzero(y == label)[:SHOWN].tolist() for label in taken]
    return [place for nth in zip_longest(*by_class) for place in nth if place is not None][:SHOWN]
