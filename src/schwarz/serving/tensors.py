"""Tensors as the Open Inference Protocol writes them: name, datatype, shape, and the values, flat or nested in JSON, or
by the binary tensor extension as bytes behind it, little-endian and in rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import orjson

from schwarz.serving.refused import Refused, shown

DATATYPES: Mapping[str, type[np.generic]] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip
"""The protocol's names. BYTES, which no graph of ours takes, is left out."""

MANY = 8
"""Axes of a shape that are said back."""
OPEN = -1
"""In a shape: any number, as the protocol writes it."""


@dataclass(frozen=True)
class Tensor:
    """What a model takes or gives under one name."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def metadata(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values, in the byte order that the protocol asks for."""
        return np.dtype(DATATYPES[self.datatype]).newbyteorder("<")

    @cached_property
    def one(self) -> int:
        """Bytes of an image's values, as far as the shape tells."""
        return math.prod(size for size in self.shape[1:] if size != OPEN) * self.dtype.itemsize

    def read(self, datatype: Any, shape: Any, data: Any, wordless: bool = False) -> np.ndarray:
        """The values of a request. What is not exactly as the model takes it is refused: nothing is converted.
        `wordless`: neither `true` nor `false` is among them."""
        sizes = self._asked(datatype, shape)
        values = _flat(data, sizes, self.name)
        if len(values) != math.prod(sizes):
            raise Refused(
                f"input {self.name!r}: {len(values)} values in data, shape {list(sizes)} has {math.prod(sizes)}"
            )
        return _array(values, DATATYPES[datatype], self.name, wordless).reshape(sizes)

    def from_bytes(self, datatype: Any, shape: Any, content: memoryview) -> np.ndarray:
        """The same from bytes."""
        sizes = self._asked(datatype, shape)
        wanted = math.prod(sizes) * self.dtype.itemsize
        if len(content) != wanted:
            raise Refused(f"input {self.name!r}: {len(content)} bytes, shape {list(sizes)} has {wanted}")
        if self.datatype == "BOOL" and not (np.frombuffer(content, np.uint8) < 2).all():
            raise Refused(f"input {self.name!r}: a byte that is neither 0 nor 1 is no BOOL")
        return _finite(np.frombuffer(content, self.dtype).reshape(sizes), self.name)

    def write(self, values: np.ndarray) -> dict[str, Any]:
        """As a response holds it."""
        return {
            "name": self.name, "datatype": self.datatype, "shape": list(values.shape),
            "data": np.ascontiguousarray(values).reshape(-1),
        }  # fmt: skip

    def to_bytes(self, values: np.ndarray) -> tuple[dict[str, Any], bytes]:
        """As the header of a response names it, and its bytes behind."""
        content = np.ascontiguousarray(values, self.dtype).tobytes()
        about = {"name": self.name, "datatype": self.datatype, "shape": list(values.shape)}
        return {**about, "parameters": {"binary_data_size": len(content)}}, content

    def _asked(self, datatype: Any, shape: Any) -> tuple[int, ...]:
        """The sizes of what is as the model takes it."""
        if datatype != self.datatype:
            raise Refused(f"input {self.name!r}: datatype {shown(datatype)}, the model takes {self.datatype!r}")
        return self._sizes(shape)

    def _sizes(self, shape: Any) -> tuple[int, ...]:
        """A shape that the model takes."""
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            raise Refused(f"input {self.name!r}: shape must be a list of whole numbers")
        fits = len(shape) == len(self.shape) and all(
            size > 0 and wanted in (size, OPEN) for size, wanted in zip(shape, self.shape, strict=True)
        )
        if not fits:
            given = shape if len(shape) <= MANY else f"of {len(shape)} axes"
            raise Refused(f"input {self.name!r}: shape {given}, the model takes {list(self.shape)} ({OPEN}: 1 or more)")
        return tuple(shape)


def _flat(data: Any, sizes: tuple[int, ...], name: str) -> list[Any]:
    """The values in a row. Nested lists must be nested as the shape says."""
    if not isinstance(data, list):
        raise Refused(f"input {name!r}: data must be a list")
    values = data
    for size in sizes[1:] if data and isinstance(data[0], list) else ():
        if not all(isinstance(each, list) and len(each) == size for each in values):
            raise Refused(f"input {name!r}: data is not nested as shape {list(sizes)} says")
        values = list(chain.from_iterable(values))
    return values


def _array(values: list[Any], dtype: type[np.generic], name: str, wordless: bool) -> np.ndarray:
    """Numbers of the kind that `dtype` holds: no text, no null, no `true` among numbers, no fraction among integers."""
    if dtype is np.uint8 and (pixels := _pixels(values, wordless)) is not None:
        return pixels
    allowed = {bool} if dtype is np.bool_ else {int} if issubclass(dtype, np.integer) else {int, float}
    wrong = set(map(type, values)) - allowed
    if wrong:
        example = next(value for value in values if type(value) in wrong)
        raise Refused(f"input {name!r}: {shown(example)} in data is no {np.dtype(dtype).name}")
    try:
        with np.errstate(over="raise"):
            return _finite(np.array(values, dtype), name)
    except (OverflowError, FloatingPointError):
        raise Refused(f"input {name!r}: a value in data is beyond what {np.dtype(dtype).name} holds") from None


def _pixels(values: list[Any], wordless: bool) -> np.ndarray | None:
    """Whole numbers from 0 to 255 in a fifth of the time that numpy and a look at each type take; None for all else.
    `bytes` also takes `true` for 1: of such values only that word and `false` have an e in them."""
    try:
        content = bytes(values)
    except (TypeError, ValueError):
        return None
    return np.frombuffer(content, np.uint8) if wordless or b"e" not in orjson.dumps(values) else None


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    """JSON has no word for what is no number, and no model of ours has a use for it: in bytes it is refused too."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise Refused(f"input {name!r}: a value that is no number, or is infinite")
    return values
