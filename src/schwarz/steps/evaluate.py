"""Measure every strategy on the same images: training, validation and, here for the first time, test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from schwarz import evaluation
from schwarz.blueprint import NETWORK
from schwarz.config import STRATEGIES, Strategy
from schwarz.cost import cost
from schwarz.evaluation import Answers, Taught
from schwarz.files import read_json, write_json
from schwarz.images import load, save_array, spread_rows
from schwarz.journal import Journal
from schwarz.networks import count_parameters
from schwarz.report import mistakes
from schwarz.shares import fleet
from schwarz.steps.frame import Metrics, step
from schwarz.steps.looks import write_looks
from schwarz.steps.unpacking import test_images
from schwarz.strategies import COMBINED, Trained, history
from schwarz.training import predict
from schwarz.training.device import clock

TRAIN_IMAGES = 2000
"""Training accuracy is that of the finished network on this many training images, spread evenly."""
DAMAGED = 500
"""Test images, spread evenly, that boxes are taken from: every strategy is asked about each with every choice."""
MOST = 12
"""Of the best strategy's mistakes the surest ones: test images that are kept with every local network's answer."""

MLFLOW = {
    "test": "test_accuracy", "low": "test_accuracy_low", "high": "test_accuracy_high", "f1": "test_f1",
    "auc": "test_auc", "ece": "test_calibration_error", "cpu_s": "training_cpu_s", "image_ms": "image_ms",
    "flops": "image_flops",
}  # fmt: skip
"""Figure of a strategy -> the metric of its run; names that no training curve of the same run has."""

Scores = dict[str, Tensor]
"""Of the parts of the images by name: [n, K], or of local networks [n, N, K]."""


@step("evaluate")
def evaluate(
    strategies: list[Strategy], *, images: Path, locals_: list[Path], coarse: Path | None, coherent: Path | None,
    transfer: Path | None, composed: Path | None, composed_tuned: Path | None, global_: Path | None,
    journal: Journal, out: Path,
) -> Metrics:  # fmt: skip
    """Writes evaluation.json (all figures of strategies and local networks, how sure they are, what a lost box costs,
    which strategy is best on validation), probabilities/<strategy>.npy, [test images, K], beside the classes of these
    images, classes.npy, the worst mistakes, and the class activation maps of some validation images."""
    trained = Trained(fleet(locals_), coarse, coherent, transfer, composed, composed_tuned, global_)
    parts = _parts(images, out)
    local = _Local.of(trained, parts)
    measured: dict[Strategy, tuple[Scores, float]] = {
        name: _scores(trained, name, parts, local) for name in sorted(strategies, key=STRATEGIES.index)
    }
    answers = {name: _answers(scores["test"], parts["test"]) for name, (scores, _) in measured.items()}
    sure = evaluation.intervals(answers, seed=0)
    found: dict[Strategy, dict[str, Any]] = {
        name: _figures(scores, parts)
        | {f"{figure}_{end}": getattr(ends, end) for figure, ends in sure[name].items() for end in ("low", "high")}
        | {"image_ms": 1e3 * seconds / len(parts["test"].y), **_sizes(trained, name)}
        for name, (scores, seconds) in measured.items()
    }
    for done, (name, figures) in enumerate(found.items(), 1):
        save_array(out / "probabilities" / f"{name}.npy", answers[name].probabilities.astype(np.float32))
        _tell(journal, name, figures, done, len(found))
    save_array(out / "classes.npy", parts["test"].y)
    best = max(found, key=lambda name: (found[name]["validation"], -found[name]["parameters"]))
    write_looks(out, trained, load(images, "validation"))
    _write_mistakes(out, parts["test"], answers[best], local)
    curves, agreement = _curves(trained), evaluation.agreement(local.answers) if local.answers else None
    signs = evaluation.signatures(agreement, _taught(trained, answers), local.best(parts["validation"]), curves)
    write_json(out / "evaluation.json", {
        "best": best,
        "classes": read_json(images / "data.json")["classes"],
        "confusion": {name: evaluation.confusion(each) for name, each in answers.items()},
        "strategies": found,
        "train_images": len(parts["train"].y),
        "measures": {name: evaluation.details(each) for name, each in answers.items()},
        "pairs": [pair.to_json() for pair in evaluation.pairs(answers)],
        "locals": [_local(trained, k, local, parts) for k in range(len(trained.locals_))],
        "agreement": agreement,
        "missing": _missing(trained, list(found), parts["test"]),
        "signatures": [sign.to_json() for sign in signs],
        "curves": curves,
    })  # fmt: skip
    return {f"{name}_{part}": figures[part] for name, figures in found.items() for part in ("test", "validation")}


def confusion_of_best(evaluated: Path) -> tuple[list[str], list[list[int]]]:
    """Classes and confusion counts of the best strategy."""
    found = read_json(evaluated / "evaluation.json")
    return found["classes"], found["confusion"][found["best"]]


def roc_of_best(evaluated: Path) -> tuple[list[float], list[float], list[float]]:
    """The ROC curve of the best strategy: shares of wrong and of right decisions that are taken, and from what on."""
    found = read_json(evaluated / "evaluation.json")
    curve = found["measures"][found["best"]]["roc"]
    return curve["false"], curve["true"], curve["threshold"]


@dataclass(frozen=True)
class Part:
    """Some of the images, where they are mapped; they need not fit in memory."""

    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    def answers(self, model: nn.Module) -> Tensor:
        """Scores of these images."""
        return predict(model, self.x, self.rows)


@dataclass(frozen=True)
class _Local:
    """What the trained local networks answer, [n, N, K] per part: what all combiners work on, computed once."""

    logits: Scores
    seconds: float
    """That they took for the test images."""
    answers: list[Answers]
    """Of each of them, to the test images."""

    @classmethod
    def of(cls, trained: Trained, parts: Mapping[str, Part]) -> "_Local":
        if not trained.locals_:
            return cls({}, 0.0, [])
        model = trained.blueprint.divided(trained.fleet, nn.Identity())
        logits, seconds = _timed(lambda part: part.answers(model), parts)
        return cls(logits, seconds, [_answers(each, parts["test"]) for each in logits["test"].unbind(1)])

    def best(self, validation: Part) -> Answers | None:
        """On test images, of the one that is best on validation."""
        if not self.answers:
            return None
        right = self.logits["validation"].argmax(-1).numpy() == validation.y[:, None]
        return self.answers[int(right.mean(0).argmax())]


def _taught(trained: Trained, answers: Mapping[str, Answers]) -> Taught | None:
    if "coarse" not in answers:
        return None
    learned = read_json(trained.folder("coarse") / NETWORK)["learned"]
    return Taught(answers["coarse"], learned["accuracy"], learned["images"])


def _parts(images: Path, out: Path) -> dict[str, Part]:
    train, validation, test = load(images, "train"), load(images, "validation"), test_images(images, out)
    rows = {"train": spread_rows(len(train), TRAIN_IMAGES)}
    rows |= {name: np.arange(len(part)) for name, part in (("validation", validation), ("test", test))}
    whole = {"train": train, "validation": validation, "test": test}
    return {name: Part(part.x, part.y[rows[name]], rows[name]) for name, part in whole.items()}


def _scores(trained: Trained, strategy: Strategy, parts: Mapping[str, Part], local: _Local) -> tuple[Scores, float]:
    """Of every part, and the seconds that the test images took."""
    if strategy not in COMBINED:
        model = trained.model(strategy)
        return _timed(lambda part: part.answers(model), parts)
    combiner = trained.combiner(strategy)
    with torch.inference_mode():
        scores, seconds = _timed(combiner, local.logits)
    if strategy == "coarse":  # it learned from the validation images: its cross-fitted scores stand for it there
        scores["validation"] = torch.from_numpy(np.load(trained.folder("coarse") / "validation.npy"))
    return scores, local.seconds + seconds


def _timed(answer: Callable[[Any], Tensor], parts: Mapping[str, Any]) -> tuple[Scores, float]:
    """The answers to every part, and the seconds that the last one, the test images, took."""
    scores, began = dict[str, Tensor](), 0.0
    for name, part in parts.items():
        began = clock()
        scores[name] = answer(part)
    return scores, clock() - began


def _answers(scores: Tensor, part: Part) -> Answers:
    return Answers(scores.double().softmax(-1).numpy(), part.y)


def _figures(scores: Scores, parts: Mapping[str, Part]) -> dict[str, Any]:
    """Accuracies on all parts and the other figures on test images."""
    answers = {name: _answers(scores[name], part) for name, part in parts.items()}
    reached = {name: evaluation.accuracy(each) for name, each in answers.items()}
    ends = evaluation.wilson(int(answers["test"].right.sum()), len(answers["test"]))
    return {
        "test": reached["test"],
        "low": ends.low,
        "high": ends.high,
        **{name: reached[name] for name in ("validation", "train")},
        "validation_top5": evaluation.among_top(answers["validation"]),
        **evaluation.figures(answers["test"]),
    }


def _sizes(trained: Trained, strategy: Strategy) -> dict[str, float]:
    """What it took to train, how large it is, the operations for one image by equation 2.10, and whether it learned
    from the images that chose it."""
    model = trained.model(strategy)
    spent = cost(model, trained.blueprint.image_shape)
    return {
        "cpu_s": trained.cpu_s(strategy),
        "parameters": count_parameters(model),
        "flops": spent.flops,
        "learned_from_validation": trained.learned_from_validation(strategy),
    }


def _tell(journal: Journal, name: str, figures: Mapping[str, Any], done: int, total: int) -> None:
    told = {metric: figures[key] for key, metric in MLFLOW.items() if figures[key] is not None}
    journal.write("progress", done=done, total=total)
    journal.write("run", run=name, params={"strategy": name}, tags={})
    journal.write("metric", run=name, epoch=0, metrics=told)
    journal.write("end", run=name)


def _missing(trained: Trained, strategies: list[Strategy], test: Part) -> dict[str, Any] | None:
    """With boxes missing; None where there is one box alone."""
    if len(trained.blueprint.partition) < 2:
        return None
    some = spread_rows(len(test.y), DAMAGED)
    models = {name: trained.model(name) for name in strategies}
    return evaluation.loss_of_boxes(models, trained.blueprint, test.x[test.rows[some]], test.y[some], seed=0)


def _write_mistakes(out: Path, test: Part, answers: Answers, local: _Local) -> None:
    """mistakes.npy: images that the best strategy is surest of and wrong, the surest first; mistakes.json: their
    classes, what it names with which probability, and what each local network does."""
    wrong = np.flatnonzero(~answers.right)
    worst = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:MOST]
    votes = local.logits["test"][worst].softmax(-1) if local.logits else None
    write_json(out / mistakes.FILES[0], [
        {
            "image": int(test.rows[row]),
            "class": int(answers.y[row]),
            "named": int(answers.named[row]),
            "probability": float(answers.confidence[row]),
            "votes": [] if votes is None else [
                {"named": int(vote.argmax()), "probability": float(vote.max())} for vote in votes[place]
            ],
        }
        for place, row in enumerate(worst)
    ])  # fmt: skip
    save_array(out / mistakes.FILES[1], np.array(test.x[test.rows[worst]]))


def _local(trained: Trained, k: int, local: _Local, parts: Mapping[str, Part]) -> dict[str, Any]:
    figures = _figures({name: scores[:, k] for name, scores in local.logits.items()}, parts)
    recall = [row["recall"] for row in evaluation.by_class(local.answers[k])]
    return {"box": k, **figures, "recall": recall, "cpu_s": history(trained.locals_[k])["cpu_s"][-1]}


def _curves(trained: Trained) -> dict[str, dict[str, list[float]]]:
    whole = {
        name: getattr(trained, name.replace("global", "global_"))
        for name in ("coarse", "coherent", "transfer", "global", "composed_tuned")
    }
    folders = {f"local {k}": folder for k, folder in enumerate(trained.locals_)} | whole
    return {name: history(folder) for name, folder in folders.items() if folder is not None}
