"""What the protocol, and docs/serving.md where it leaves something open, says of a request: read a second time, slowly,
by other libraries than the server's."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

DTYPES = {"images": ("UINT8", "u1", (1, 2, 2)), "weights": ("FP32", "<f4", (2,)), "flags": ("BOOL", "?", (1,))}
OUTPUTS = ("scores", "negated", "turned")
MOST = 4096


class Wrong(Exception):
    """The protocol forbids it."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Output(Strict):
    name: str
    parameters: dict[str, Any] = {}


class Input(Strict):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] = []
    parameters: dict[str, Any] = {}


class Asked(Strict):
    id: str = ""
    parameters: dict[str, Any] = {}
    inputs: list[Input] = Field(min_length=1)
    outputs: list[Output] | None = None


@dataclass(frozen=True)
class Right:
    """What a right request asks."""

    id: str | None
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, bool]
    """The names of those that are wanted, and whether as bytes."""


def judged(body: bytes, header: str | None) -> Right | None:
    """What is asked; None where that is wrong. `header`: what Inference-Header-Content-Length says."""
    try:
        text, behind = (body, b"") if header is None else _cut(body, header)
        return _right(Asked.model_validate(_loads(text)), behind)
    except (Wrong, ValidationError, ValueError, OverflowError, RecursionError):
        return None


def _cut(body: bytes, header: str) -> tuple[bytes, bytes]:
    if not header.isascii() or not header.isdigit() or int(header) > len(body):
        raise Wrong
    return body[: int(header)], body[int(header) :]


def _loads(text: bytes) -> Any:
    def refuse(_: str) -> None:
        raise Wrong

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise Wrong
        return dict(pairs)

    value = json.loads(
        text.decode(), parse_constant=refuse, object_pairs_hook=once, parse_float=_number, parse_int=_whole
    )
    json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    return value


def _number(text: str) -> float:
    """A double is all that a number may be."""
    value = float(text)
    if math.isinf(value):
        raise Wrong
    return value


def _whole(text: str) -> int:
    _number(text)
    return int(text)


def _right(asked: Asked, behind: bytes) -> Right:
    names = [each.name for each in asked.inputs]
    if sorted(names) != sorted(DTYPES):
        raise Wrong
    inputs = {}
    for each in asked.inputs:
        inputs[each.name], behind = _values(each, behind)
    if behind or len({len(values) for values in inputs.values()}) > 1 or len(inputs["images"]) > MOST:
        raise Wrong
    everything = _flag(asked.parameters, "binary_data_output", otherwise=False)
    wanted = {each.name: _flag(each.parameters, "binary_data", everything) for each in asked.outputs or []}
    if len(wanted) < len(asked.outputs or []) or not set(wanted) <= set(OUTPUTS):
        raise Wrong
    given = asked.id if "id" in asked.model_fields_set else None
    return Right(given, inputs, wanted or dict.fromkeys(OUTPUTS, everything))


def _flag(parameters: dict[str, Any], name: str, otherwise: bool) -> bool:
    value = parameters.get(name, otherwise)
    if type(value) is not bool:
        raise Wrong
    return value


def _values(given: Input, behind: bytes) -> tuple[np.ndarray, bytes]:
    """An input's, and the bytes behind those that are its own."""
    datatype, dtype, row = DTYPES[given.name]
    if given.datatype != datatype or tuple(given.shape[1:]) != row or given.shape[0] < 1:
        raise Wrong
    size = given.parameters.get("binary_data_size")
    if size is not None:
        wanted = math.prod(given.shape) * np.dtype(dtype).itemsize
        if "data" in given.model_fields_set or type(size) is not int or not size == wanted <= len(behind):
            raise Wrong
        if dtype == "?" and max(behind[:size]) > 1:
            raise Wrong
        return _finite(np.frombuffer(behind[:size], dtype).reshape(given.shape)), behind[size:]
    flat = given.data if given.data and not isinstance(given.data[0], list) else _flat(given.data, given.shape)
    kinds = {"u1": {int}, "<f4": {int, float}, "?": {bool}}[dtype]
    if len(flat) != math.prod(given.shape) or not {type(value) for value in flat} <= kinds:
        raise Wrong
    if dtype == "u1" and not all(0 <= value < 256 for value in flat):
        raise Wrong
    with np.errstate(over="ignore"):
        values = np.array([float(value) if dtype == "<f4" else value for value in flat], dtype)
    return _finite(values.reshape(given.shape)), behind


def _flat(data: Any, shape: list[int]) -> list[Any]:
    """The innermost of lists that are nested as the shape says."""
    if not shape:
        return [data]
    if not isinstance(data, list) or len(data) != shape[0]:
        raise Wrong
    return [value for each in data for value in _flat(each, shape[1:])]


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise Wrong
    return values
