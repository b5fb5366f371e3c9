"""The exported graph with its convolutions in whole numbers of 8 bits: a smaller file, and quicker where the processor
multiplies such numbers and the networks are wide enough.

The scales are static: weights have one for each channel, what flows between layers has one for each tensor, taken from
training images. Dense layers stay in float32, they cost next to nothing.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from schwarz.described import DECISION, INPUT
from schwarz.export import session
from schwarz.files import write_atomic
from schwarz.images import Labelled, spread

IMAGES, BATCH = 256, 64
"""Training images that the scales are taken from, and how many are computed at once."""
LAYERS = ["Conv", "Add", "Relu"]
"""A ReLU is taken into the layer before it: else all that flows between layers would go to float32 and back."""


@dataclass(frozen=True)
class Int8:
    """How the two graphs do on the validation images, and the file, where the difference is within the margin."""

    accuracy: float
    float32: float
    margin: float
    file: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def in_int8(path: Path, training: Labelled, validation: Labelled, margin: float) -> Int8:
    """Write <name>-int8.onnx beside an exported model, unless its accuracy is more than `margin` below."""
    whole, name = accuracy(path, validation), f"{path.stem}-int8.onnx"
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / name
        quantise(path, file, spread(training, IMAGES).x)
        found = accuracy(file, validation)
        kept = whole - found <= margin
        if kept:
            write_atomic(path.with_name(name), file.read_bytes())
    return Int8(found, whole, margin, name if kept else None)


def quantise(path: Path, out: Path, images: np.ndarray) -> None:
    """Write the graph with the scales that these images give; the same images give the same bytes."""
    with _quiet():
        quantize_static(
            path, out, Batches(images), op_types_to_quantize=LAYERS, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
    out.write_bytes(onnx.load(out).SerializeToString(deterministic=True))


class Batches(CalibrationDataReader):
    """The images by the batch, as onnxruntime asks for them."""

    def __init__(self, images: np.ndarray) -> None:
        self._batches = _batches(images)

    def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride] it ends so
        return next(self._batches, None)


def accuracy(path: Path, images: Labelled) -> float:
    """The share of images that the file names rightly."""
    return float(right(path, images).mean())


def right(path: Path, images: Labelled) -> np.ndarray:
    """Which of the images it names rightly: bool [n]."""
    run = session(path)
    named = [np.asarray(run.run([DECISION], batch)[0]).argmax(-1) for batch in _batches(images.x)]
    return np.concatenate(named) == images.y


def _batches(images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    return ({INPUT: np.asarray(images[at : at + BATCH])} for at in range(0, len(images), BATCH))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice to shape the graph anew first: it has its shapes already."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
