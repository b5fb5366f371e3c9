"""Registered versions of which one knows how good they are, without the training."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from schwarz.evaluation.gate import Examined
from schwarz.tracking import GATE, Entry, of_run, register_model
from tests.pipeline.graphs import model
from tests.pipeline.journals import begin

IMAGES = np.zeros((2, 1, 2, 2), np.uint8)
N, Y = 500, np.arange(500) % 4


def register(place: Path, uri: str, name: str, wrong: int, scale: float = 1.0, card: str = "", **tested: Any) -> str:
    """A version whose model is wrong on the first `wrong` of the test images; its number."""
    number = len(list((place / "runs" / name).glob("*"))) + 1
    run = begin(place / "runs" / name / str(number))
    right = np.arange(N) >= wrong
    record = {GATE: json.dumps(Examined.of("a" * 32, Y, right).to_json() | tested)}
    entry = Entry(
        model(run.path / "m.onnx", scale), name, {"strategy": "global", "test_accuracy": f"{right.mean():.4f}"},
        {"test_accuracy": float(right.mean())}, ["a", "b", "c", "d"], record, card,
    )  # fmt: skip
    return register_model(of_run(run), entry, IMAGES, uri)["version"]
