"""A results.json as the quickstart's step `report` writes it, and images for its partition: the keys and the costs are
those of a real run, the accuracies near them, with `composed_tuned` ahead of `global`."""

import copy
import math
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from schwarz import evaluation
from schwarz.evaluation import Answers, Taught
from schwarz.feature_maps import Pair
from schwarz.partition import Box

CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
VALIDATION, TEST = 1800, 2000
LOCALS = (0.7630, 0.7965, 0.7685, 0.7570)
LOCAL_COSTS = (6.33, 5.62, 5.71, 6.20)
EPOCHS = {"coarse": 15, "coherent": 5, "transfer": 2, "global": 7, "composed_tuned": 3}
# test accuracy, training accuracy, CPU-seconds of its own training, parameters
STRATEGIES = {
    "global": (0.8985, 0.9560, 102.21, 253_114),
    "average": (0.8450, 0.8755, 0.0, 40_408),
    "majority": (0.8345, 0.8650, 0.0, 40_408),
    "product": (0.8520, 0.8815, 0.0, 40_408),
    "coarse": (0.8545, 0.8805, 0.74, 96_482),
    "coherent": (0.7915, 0.8285, 31.79, 96_482),
    "transfer": (0.8705, 0.9145, 12.35, 96_482),
    "composed": (0.8145, 0.8340, 0.0, 253_114),
    "composed_tuned": (0.9065, 0.9495, 42.36, 253_114),
}


def interval(accuracy: float) -> dict[str, float]:
    half = 1.96 * math.sqrt(accuracy * (1 - accuracy) / TEST)
    return {"test": accuracy, "low": accuracy - half, "high": accuracy + half}


def curve(train: float, validation: float, epochs: int, cpu_s: float) -> dict[str, list[float]]:
    steps = [1 - math.exp(-2.2 * (i + 1) / epochs) for i in range(epochs)]
    return {
        "epoch": list(range(1, epochs + 1)),
        "train_loss": [2.3 - 2.0 * train * s for s in steps],
        "train_accuracy": [0.5 + (train - 0.5) * s / steps[-1] for s in steps],
        "validation_loss": [2.3 - 2.0 * validation * s for s in steps],
        "validation_accuracy": [validation - 0.12 * (1 - s / steps[-1]) for s in steps],
        "cpu_s": [cpu_s * (i + 1) / epochs for i in range(epochs)],
    }


def confusion(accuracy: float) -> list[list[int]]:
    each, rng = TEST // len(CLASSES), np.random.default_rng(0)
    rows = []
    for true in range(len(CLASSES)):
        near = np.exp(-0.6 * np.abs(np.arange(len(CLASSES)) - true))
        near[true] = 0
        wrong = rng.multinomial(round(each * (1 - accuracy)), near / near.sum())
        wrong[true] = each - wrong.sum()
        rows.append(wrong.tolist())
    return rows


def strategy(name: str) -> dict[str, Any]:
    test, train, own, parameters = STRATEGIES[name]
    cpu_s = own if name in ("global", "coherent") else own + sum(LOCAL_COSTS)
    return interval(test) | {
        "validation": test + 0.005, "train": train, "validation_top5": 0.99, "top5": 0.991, "f1": test - 0.002,
        "f1_low": test - 0.018, "f1_high": test + 0.014, "auc": 0.9 + test / 12, "ece": 0.031, "ece_low": 0.024,
        "ece_high": 0.043, "image_ms": parameters / 1.3e6, "cpu_s": cpu_s, "parameters": parameters,
        "flops": 158 * parameters, "learned_from_validation": name == "coarse",
    }  # fmt: skip


def answers(accuracy: float, seed: int) -> Answers:
    """Of TEST images, as many of each class, right so often and a little too sure."""
    rng, y = np.random.default_rng(seed), np.arange(TEST) % len(CLASSES)
    named = np.where(rng.random(TEST) < accuracy, y, rng.integers(len(CLASSES), size=TEST))
    sure = rng.beta(6, 1.5, TEST)[:, None]
    return Answers(np.eye(len(CLASSES))[named] * sure + (1 - sure) / len(CLASSES), y)


@cache
def evaluated() -> dict[str, Any]:
    """What `evaluate` says of such answers; always the same, and a second's work."""
    said = {name: answers(row[0], seed) for seed, (name, row) in enumerate(STRATEGIES.items())}
    seen = [answers(value, 20 + k) for k, value in enumerate(LOCALS)]
    curves, taught = {"coarse": curve(0.9, 0.85, 15, 0.7)}, Taught(said["coarse"], 0.9, VALIDATION)
    return {
        "measures": {name: evaluation.details(each) for name, each in said.items()},
        "pairs": [pair.to_json() for pair in evaluation.pairs(said)],
        "agreement": (agreement := evaluation.agreement(seen)),
        "signatures": [sign.to_json() for sign in evaluation.signatures(agreement, taught, seen[1], curves)],
    }


def missing() -> dict[str, Any]:
    """What four boxes lose, one after the other."""
    rows = {
        name: [
            {"mean": m, "worst": m - 0.05 * k, "best": m + 0.04 * k}
            for k, m in enumerate((row[0], 0.75 * row[0], 0.4 * row[0] + 0.06, 0.2))
        ]
        for name, row in STRATEGIES.items()
    }
    without = {name: [0.7 * row[0] + 0.02 * k for k in range(4)] for name, row in STRATEGIES.items()}
    half = {"missing": 2, "strategy": "composed_tuned", "next": "global", "lead": 0.0032, "low": -0.004, "high": 0.0104}
    dear = {name: {"box": 0, "loss": row[0] - each[0], "low": 0.25, "high": 0.29, "next": 1, "told_apart": True}
            for (name, row), each in zip(STRATEGIES.items(), without.values(), strict=True)}  # fmt: skip
    said = {"images": TEST, "subsets": [4, 6, 4], "strategies": rows, "without": without}
    return said | {"steadiest": half, "dearest": dear}


def mistakes() -> list[dict[str, Any]]:
    """Three images, with every local network's vote."""
    votes = [[6, 0.41], [0, 0.9], [2, 0.35], [6, 0.62]]
    told = [{"named": named, "probability": p} for named, p in votes]
    rows = [(17, 6, 0, 0.998), (402, 2, 4, 0.981), (1311, 9, 7, 0.97)]
    return [{"image": i, "class": c, "named": n, "probability": p, "votes": told} for i, c, n, p in rows]


def verify() -> dict[str, Any]:
    """The block `verify` of a composition that is exact on its activation fields."""

    def fields(side: int, size: int) -> list[list[list[int]]]:
        low, high = [0, size], [side - size, side]
        return [[rows, columns] for rows in (low, high) for columns in (low, high)]

    padded = {
        "reason": "pads at the cuts, where the global network has pixels",
        "nearest": "padding 0",
        "case": "field",
    }
    maps = [(0, 32, 15, 0.0), (3, 32, 14, 0.0), (6, 32, 13, 4.8e-7), (9, 16, 6, 4.8e-7), (20, 8, 0, None)]
    bounds = [("Theorem 2.2: correct in every local network, wrong composed", 7.0, 0.0, 90),
              ("(2.21): largest J - min r_ik where all are correct", 1.26, 0.0, 90),
              ("(2.19): cost r and its bound", 141.697, 461.025, 256)]  # fmt: skip
    return {
        "exact": False,
        "holds": True,
        "feature_gap": 4.8e-7,
        "case": "field",
        "causes": [{"layer": f"features.{n}", **padded} for n in (0, 3, 6, 10, 13, 16)],
        "task": "classification",
        "images": 256,
        "boxes": 4,
        "logit_gap": 18.03,
        "softmax_gap": 0.88,
        "tolerance": 0.00462,
        "feature_tolerance": 0.00012,
        "field_gap": 0.0,
        "responds": 1.0,
        "returned": True,
        "covers": True,
        "bounds": [
            {"name": name, "left": left, "right": right, "slack": 0.0, "samples": samples, "holds": left <= right}
            for name, left, right, samples in bounds
        ],
        "statistics": {"used": "keep", "stored": True, "keep": 0.8239, "recompute": 0.8061},
        "fields": [
            {"layer": f"features.{n}", "map": [side, side], "fields": fields(side, size), "gap": gap}
            for n, side, size, gap in maps
        ],
    }


def results() -> dict[str, Any]:
    """One whole results.json, as the step `report` hands it to the page."""
    trained = {
        f"local {k}": curve(v + 0.02, v + 0.004, 4, cpu_s)
        for k, (v, cpu_s) in enumerate(zip(LOCALS, LOCAL_COSTS, strict=True))
    }
    for name, epochs in EPOCHS.items():
        test, train, own, _ = STRATEGIES[name]
        trained[name] = curve(train, test + 0.005, epochs, own)
    trained["coarse"] |= {"validation_loss": [], "validation_accuracy": []}  # it learns from the validation images
    return {
        "schema": 3,
        "preset": "quickstart",
        "uid": "a3e7ed16864141a8bd7533ec0c38b96a",
        "seed": 0,
        "created": "2026-03-14T09:26:53+00:00",
        "chance": 0.1,
        "largest_class": 0.1,
        "data": {
            "name": "sample",
            "md5": "1c3d9c2306decd6d2d3afb18d7eefa42.dir",
            "classes": CLASSES,
            "shape": [1, 28, 28],
            "train": 10200,
            "validation": VALIDATION,
            "test": TEST,
            "validation_is_test": False,
        },
        "partition": {
            "shape": [32, 32],
            "boxes": [[[0, 16], [0, 16]], [[0, 16], [16, 32]], [[16, 32], [0, 16]], [[16, 32], [16, 32]]],
        },
        "strategies": {name: strategy(name) for name in STRATEGIES},
        "locals": [
            {"box": k, "recall": [v] * len(CLASSES)}
            | interval(v)
            | {"validation": v + 0.004, "train": v + 0.02, "cpu_s": LOCAL_COSTS[k]}
            for k, v in enumerate(LOCALS)
        ],
        "best": "composed_tuned",
        "train_images": 2000,
        "curves": trained,
        "confusion": {name: confusion(row[0]) for name, row in STRATEGIES.items()},
        **copy.deepcopy(evaluated()),
        "missing": missing(),
        "mistakes": mistakes(),
        "verify": verify(),
        "model": {
            "strategy": "composed_tuned",
            "file": "model/composed_tuned.onnx",
            "sha256": "919125f00d1aea53b0eabb269c82c0eb154bc868bd4b03e8c341691c9f2be762",
            "parity": {"1": 3.5762786865234375e-07, "7": 4.76837158203125e-07, "64": 5.066394805908203e-07},
            "int8": {"accuracy": 0.9017, "float32": 0.9033, "margin": 0.01, "file": "composed_tuned-int8.onnx"},
            "registered": {
                "name": "quickstart",
                "version": "2",
                "alias": "challenger",
                "file": "composed_tuned.onnx",
                "uri": "models:/quickstart/2",
                "run_id": "6428e693b00d414d814a394847898af5",
            },
        },
        "lineage": {
            "commit": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
            "dirty": False,
            "config_digest": "3f09d57bc64b084f",
            "versions": {
                "python": "3.11.7",
                "schwarz": "0.1.0",
                "torch": "2.13.0+cpu",
                "numpy": "2.4.6",
                "onnx": "1.23.2",
                "onnxruntime": "1.31.1",
                "mlflow-skinny": "3.17.2",
                "kfp": "2.17.0",
                "dvc": "3.67.1",
            },
            "tracking_uri": "sqlite:////home/ada/schwarz/runs/mlflow.db",
            "mlflow_run_id": "6428e693b00d414d814a394847898af5",
        },
    }


def samples(channels: int = 1, side: int = 32, count: int = 10) -> tuple[np.ndarray, list[int]]:
    """Blobs on black, uint8 [count, channels, side, side], and a class for each."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    images = []
    for i in range(count):
        shape = np.exp(-30 * ((np.hypot(x * (1 + 0.1 * i), y * (1.6 - 0.1 * i)) - 0.2 - 0.01 * i) ** 2))
        images.append(np.stack([255 * shape * (np.hypot(x, y) < 0.44) * (1 - 0.2 * c) for c in range(channels)]))
    return np.array(images).astype(np.uint8), [i % len(CLASSES) for i in range(count)]


def pairs() -> list[Pair]:
    """Feature maps of four boxes of the first sample, in three layers; equal on their fields."""
    found = []
    for box, layer in product(range(4), (1, 3, 5)):
        side, size = (32, 16 - layer) if layer < 5 else (16, 4)
        spans = [(half * side // 2, (half + 1) * side // 2) for half in divmod(box, 2)]
        field = [(0, size) if start == 0 else (side - size, side) for start, _ in spans]
        y, x = np.mgrid[:side, :side] / side - 0.5
        whole = np.sin((3 + layer) * (x + 0.3 * box) + 5 * y).clip(0)
        local = np.full((side, side), np.nan)
        local[tuple(slice(*span) for span in spans)] = 0.1
        inside = tuple(slice(*span) for span in field)
        local[inside] = whole[inside]
        seen = Box(tuple((half * 16, half * 16 + 16) for half in divmod(box, 2)))
        found.append(
            Pair(0, box, layer, f"features.{3 * layer - 1}", 4 * box + layer, (side, side), seen, (field[0], field[1]),
                 True, 4.8e-7 if layer > 1 else 0.0, local, whole)
        )  # fmt: skip
    return found
