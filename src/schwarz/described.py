"""What an exported model says of itself: the metadata properties of its ONNX file, which whoever serves it reads."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from schwarz.errors import WrongInput
from schwarz.partition import Box

INPUT = "images"
OUTPUTS = DECISION, VOTES = "probabilities", "local_probabilities"
"""Names in an exported graph."""


@dataclass(frozen=True, eq=False)
class Description:
    """What pictures need that the graph does not show: names, places, and how nothing looks."""

    strategy: str
    preset: str
    data_md5: str
    commit: str
    classes: tuple[str, ...]
    boxes: tuple[Box, ...]
    """Of the padded image."""
    pad: int
    blank: np.ndarray
    """uint8 [C, *spatial], without the padding: the training mean, which stands for a missing box."""
    samples: np.ndarray
    """Images to try it with, uint8 [n, C, *spatial]: validation images, which no weight has seen."""
    sample_classes: tuple[int, ...]

    def __post_init__(self) -> None:
        axes = self.blank.ndim - 1
        if any(len(box.spans) != axes for box in self.boxes):
            raise ValueError(f"boxes of other axes than the {axes} of the image")
        if not set(self.sample_classes) <= set(range(len(self.classes))):
            raise ValueError(f"samples of classes {self.sample_classes}, of which there are {len(self.classes)}")

    def properties(self) -> dict[str, str]:
        return {
            "strategy": self.strategy,
            "preset": self.preset,
            "data_md5": self.data_md5,
            "commit": self.commit,
            "classes": json.dumps(self.classes),
            "boxes": json.dumps([list(box) for box in self.boxes]),
            "pad": json.dumps(self.pad),
            "image_shape": json.dumps(self.blank.shape),
            "blank": _text(self.blank),
            "samples": _text(self.samples),
            "sample_classes": json.dumps(self.sample_classes),
        }

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> Self | None:
        """None of a model that was not exported so: a stranger's, or an older one."""
        if not cls.__dataclass_fields__.keys() | {"image_shape"} <= properties.keys():
            return None
        try:
            shape = tuple(json.loads(properties["image_shape"]))
            boxes = json.loads(properties["boxes"])
            return cls(
                strategy=properties["strategy"],
                preset=properties["preset"],
                data_md5=properties["data_md5"],
                commit=properties["commit"],
                classes=tuple(json.loads(properties["classes"])),
                boxes=tuple(Box(tuple((start, stop) for start, stop in spans)) for spans in boxes),
                pad=json.loads(properties["pad"]),
                blank=_pixels(properties["blank"], shape),
                samples=_pixels(properties["samples"], (-1, *shape)),
                sample_classes=tuple(json.loads(properties["sample_classes"])),
            )
        except (ValueError, TypeError) as fault:
            raise WrongInput(f"what the model says of itself cannot be read: {fault}") from None

    @property
    def places(self) -> list[list[tuple[int, int]]]:
        """The boxes on the image without its padding: (start, stop) of each axis."""
        sizes = self.blank.shape[1:]
        return [
            [
                (min(max(at - self.pad, 0), size), min(max(end - self.pad, 0), size))
                for (at, end), size in zip(box, sizes, strict=True)
            ]
            for box in self.boxes
        ]

    def without(self, image: np.ndarray, missing: Sequence[int]) -> np.ndarray:
        """An image [C, *spatial] whose pixels in these boxes are at the training mean."""
        left, places = image.copy(), self.places
        for k in missing:
            at = (..., *(slice(start, stop) for start, stop in places[k]))
            left[at] = self.blank[at]
        return left


def one_of_each(y: np.ndarray, count: int) -> np.ndarray:
    """Rows of `count` images at most: the first of every class, then the second of every class, and so on."""
    order = np.argsort(y, kind="stable")
    starts = np.searchsorted(y[order], y[order])
    return order[np.lexsort((y[order], np.arange(len(y)) - starts))][:count]


def _text(pixels: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode()


def _pixels(text: str, shape: Sequence[int]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), np.uint8).reshape(shape)
