"""A results.json as the quickstart writes it, and images for its partition: made up, plausible, the same every time."""

import math
from typing import Any

import numpy as np

CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
TEST = 2000
# test accuracy, training accuracy, CPU-seconds, parameters
STRATEGIES = {
    "global": (0.9035, 0.9412, 148.21, 157_914),
    "average": (0.8395, 0.8522, 64.93, 42_408),
    "majority": (0.8205, 0.8347, 64.93, 42_408),
    "product": (0.8420, 0.8561, 64.93, 42_408),
    "coarse": (0.8575, 0.8684, 67.12, 58_106),
    "coherent": (0.8705, 0.9036, 72.38, 58_106),
    "transfer": (0.8785, 0.9120, 89.54, 58_106),
    "composed": (0.6615, 0.6702, 64.93, 157_914),
    "composed_tuned": (0.8935, 0.9287, 113.77, 157_914),
}
LOCALS = (0.7415, 0.7575, 0.7680, 0.7520)


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
        "validation_accuracy": [0.55 + (validation - 0.55) * s / steps[-1] for s in steps],
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


def results() -> dict[str, Any]:
    """One whole results.json."""
    trained = {f"local {k}": curve(v + 0.02, v + 0.004, 6, 16.2) for k, v in enumerate(LOCALS)}
    for name, epochs in {"coarse": 40, "coherent": 6, "transfer": 2, "global": 6, "composed_tuned": 2}.items():
        test, train, cpu_s, _ = STRATEGIES[name]
        trained[name] = curve(train, test + 0.003, epochs, cpu_s)
    trained["coarse"] |= {"validation_loss": [], "validation_accuracy": []}  # it learns from the validation images
    return {
        "schema": 1,
        "preset": "quickstart",
        "uid": "quickstart-0-3f9c2ab81d04",
        "seed": 0,
        "created": "2026-03-14T09:26:53+00:00",
        "chance": 0.1,
        "data": {
            "name": "sample",
            "md5": "7b1f0c9e2d3a4b5c6d7e8f9012345678.dir",
            "classes": CLASSES,
            "shape": [1, 28, 28],
            "train": 10800,
            "validation": 1200,
            "validation_is_test": False,
            "test": TEST,
        },
        "partition": {
            "shape": [32, 32],
            "boxes": [[[0, 16], [0, 16]], [[0, 16], [16, 32]], [[16, 32], [0, 16]], [[16, 32], [16, 32]]],
        },
        "strategies": {
            name: interval(test)
            | {"validation": test + 0.0047, "train": train, "cpu_s": cpu_s, "parameters": parameters}
            for name, (test, train, cpu_s, parameters) in STRATEGIES.items()
        },
        "locals": [
            {"box": k} | interval(v) | {"validation": v + 0.004, "train": v + 0.02, "cpu_s": 16.2 + 0.1 * k}
            for k, v in enumerate(LOCALS)
        ],
        "best": "composed_tuned",
        "curves": trained,
        "confusion": {name: confusion(row[0]) for name, row in STRATEGIES.items()},
        "model": {
            "file": "model/composed_tuned.onnx",
            "strategy": "composed_tuned",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "parity": {"1": 5.9e-08, "7": 1.2e-07, "64": 2.4e-07},
            "registered": {
                "name": "quickstart",
                "version": "1",
                "alias": "champion",
                "uri": "models:/quickstart/1",
            },
        },
        "lineage": {
            "commit": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
            "dirty": False,
            "config_digest": "4c1d9a7be02f6358",
            "versions": {"schwarz": "0.1.0", "torch": "2.13.0", "kfp": "2.17.0", "mlflow": "3.17.2", "onnx": "1.23.2"},
            "tracking_uri": "sqlite:////home/ada/schwarz/runs/mlflow.db",
            "mlflow_run_id": "5d2c8a0f4b7e4d0b9a1c6f3e8d7b2a90",
        },
        "run": {"wall_s": 236.4, "cpu_s": 291.8, "peak_memory_mb": 1930.5, "runner": "subprocess"},
    }


def samples(channels: int = 1, side: int = 32, count: int = 10) -> tuple[np.ndarray, list[int]]:
    """Blobs on black, uint8 [count, channels, side, side], and a class for each."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    images = []
    for i in range(count):
        shape = np.exp(-30 * ((np.hypot(x * (1 + 0.1 * i), y * (1.6 - 0.1 * i)) - 0.2 - 0.01 * i) ** 2))
        images.append(np.stack([255 * shape * (np.hypot(x, y) < 0.44) * (1 - 0.2 * c) for c in range(channels)]))
    return np.array(images).astype(np.uint8), [i % len(CLASSES) for i in range(count)]
