"""One request for inference, from its bytes to those of the answer: JSON, or JSON with tensors as bytes behind it, the
protocol's binary tensor extension. Both ways in, both ways out, in any combination."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from schwarz.errors import nearest
from schwarz.serving.keys import check_keys
from schwarz.serving.model import Model
from schwarz.serving.refused import LONGEST, Refused, shown

REQUEST = {"id": False, "parameters": False, "inputs": True, "outputs": False}
INPUT = {"name": True, "datatype": True, "shape": True, "data": False, "parameters": False}
OUTPUT = {"name": True, "parameters": False}
"""The keys of each object, and whether it must be there."""
MOST = 4096
"""Images of one request: whoever has more sends several, and others are answered in between."""
ANSWER = 2**23
"""Bytes of the numbers in one answer, which takes several times as much while it is written."""
SIZE, BINARY, ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"
"""The extension's parameters: of an input, of an output, of a request."""


@dataclass(frozen=True)
class Inference:
    """What is asked of a model."""

    id: str | None
    inputs: dict[str, np.ndarray]
    outputs: dict[str, bool]
    """The names of those that are wanted, and whether as bytes."""


@dataclass(frozen=True)
class Answer:
    """The bytes of a response; where its tensors are bytes, how long the JSON before them is."""

    content: bytes
    header: int | None = None


def read(model: Model, body: bytes | bytearray, header: int | None = None) -> Inference:
    """A request, checked against what the model takes; `header`: how long its JSON is, where bytes stand behind it."""
    if header is not None and header > len(body):
        raise Refused(f"Inference-Header-Content-Length is {header}, the body has {len(body)} bytes")
    try:
        request = orjson.loads(memoryview(body)[:header])
    except orjson.JSONDecodeError as fault:
        raise Refused(f"the body is no JSON: {fault}") from None
    given = _object(request, REQUEST, "the request")
    if not isinstance(given.get("id", ""), str):
        raise Refused("id must be text")
    everything = _flag(_parameters(given, "the request"), ALL_BINARY, "the request")
    behind = memoryview(body).toreadonly()[header:] if header is not None else memoryview(b"")
    inputs = _inputs(model, given["inputs"], behind, _wordless(body, header))
    outputs = _outputs(model, given.get("outputs"), everything)
    check_images(model, inputs, outputs)
    check_keys(request, body, header)
    return Inference(given.get("id"), inputs, outputs)


def write(model: Model, asked: Inference, results: dict[str, np.ndarray]) -> Answer:
    """The bytes of the answer."""
    described, behind = list[dict[str, Any]](), list[bytes]()
    finite(model, results)
    for name, values in results.items():
        if asked.outputs[name]:
            about, content = model.outputs[name].to_bytes(values)
            behind.append(content)
        else:
            about = model.outputs[name].write(values)
        described.append(about)
    told = {
        "model_name": model.name,
        "model_version": model.version,
        **({} if asked.id is None else {"id": asked.id}),
        "outputs": described,
    }
    json = orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)
    return Answer(b"".join([json, *behind]), len(json)) if behind else Answer(json)


def finite(model: Model, results: dict[str, np.ndarray]) -> None:
    """Refused where a model gives what is no number: JSON has no word for it, so that the model is at fault."""
    for name, values in results.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise Refused(f"model {model.name!r}: its output {name!r} holds values that are no numbers", 500)


def _wordless(body: bytes | bytearray, header: int | None) -> bool:
    """Whether no `true` and no `false` stands behind the first `data`, as a look at the letters tells: it is quick, and
    may say no of a request without either. A backslash may write that key in another way."""
    at = body.find(b'"data"', 0, header)
    return at >= 0 and body.find(b"\\", 0, at) < 0 and body.find(b"e", at, header) < 0


def _inputs(model: Model, given: Any, behind: memoryview, wordless: bool) -> dict[str, np.ndarray]:
    """The tensors by name: each that the model takes, once. Bytes belong to the inputs in the order of these."""
    tensors = [_object(each, INPUT, f"inputs[{i}]") for i, each in enumerate(_list(given, "inputs"))]
    names = input_names(model, [tensor["name"] for tensor in tensors])
    read, taken = dict[str, np.ndarray](), 0
    for name, tensor in zip(names, tensors, strict=True):
        size = _size(tensor, name, len(behind) - taken)
        if size is None:
            read[name] = model.inputs[name].read(tensor["datatype"], tensor["shape"], _data(tensor, name), wordless)
        else:
            content = behind[taken : taken + size]
            read[name] = model.inputs[name].from_bytes(tensor["datatype"], tensor["shape"], content)
            taken += size
    if taken < len(behind):
        raise Refused(f"{len(behind) - taken} bytes behind the JSON belong to no input: {SIZE} says how many each has")
    return read


def check_images(model: Model, inputs: dict[str, np.ndarray], outputs: Iterable[str]) -> None:
    """As many images in every input, and no more than one request, and one answer, may have."""
    if not model.batches:
        return
    images = {name: len(values) for name, values in inputs.items()}
    if len(set(images.values())) > 1:
        raise Refused(f"inputs: {images}: as many images are wanted in each")
    each = sum(model.outputs[name].one for name in outputs)
    most = max(1, min(MOST, ANSWER // max(each, 1)))
    if max(images.values()) > most:
        raise Refused(f"{max(images.values())} images: send {most} at a time, at most", 413)


def _size(tensor: dict[str, Any], name: str, left: int) -> int | None:
    """How many bytes behind the JSON are an input's; None where it has its values in it."""
    size = _parameters(tensor, f"input {name!r}").get(SIZE)
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise Refused(f"input {name!r}: {SIZE} must be a whole number of bytes")
    if "data" in tensor:
        raise Refused(f"input {name!r}: has data and {SIZE} too")
    if size > left:
        raise Refused(f"input {name!r}: {SIZE} is {size}, {left} bytes are left behind the JSON")
    return size


def _data(tensor: dict[str, Any], name: str) -> Any:
    if "data" not in tensor:
        raise Refused(f"input {name!r}: 'data' is missing")
    return tensor["data"]


def _outputs(model: Model, given: Any, everything: bool) -> dict[str, bool]:
    """What is asked for and whether as bytes; where nothing is named, all."""
    if not given and given in (None, []):
        return dict.fromkeys(model.outputs, everything)
    tensors = [_object(each, OUTPUT, f"outputs[{i}]") for i, each in enumerate(_list(given, "outputs"))]
    names = output_names(model, [tensor["name"] for tensor in tensors])
    return {
        name: _flag(_parameters(tensor, f"output {name!r}"), BINARY, f"output {name!r}", everything)
        for name, tensor in zip(names, tensors, strict=True)
    }


def input_names(model: Model, given: Sequence[Any]) -> list[str]:
    """The names of a request's inputs: each that the model takes, once."""
    names = _names(given, model.inputs, "inputs", model.name)
    if missing := [name for name in model.inputs if name not in names]:
        raise Refused(f"inputs: {missing[0]!r} is missing")
    return names


def output_names(model: Model, given: Sequence[Any]) -> list[str]:
    """The names of the outputs that a request asks for, each once."""
    return _names(given, model.outputs, "outputs", model.name)


def _names(given: Sequence[Any], known: Iterable[str], place: str, model: str) -> list[str]:
    names: list[str] = []
    for name in given:
        if not isinstance(name, str) or name not in known:
            raise Refused(f"{place}: model {model!r} has none called {shown(name)}.{_nearest(name, known)}")
        if name in names:
            raise Refused(f"{place}: {name!r} is there twice")
        names.append(name)
    return names


def _object(given: Any, keys: dict[str, bool], place: str) -> dict[str, Any]:
    """A JSON object with these keys and no other."""
    if not isinstance(given, dict):
        raise Refused(f"{place} must be a JSON object")
    if unknown := [key for key in given if key not in keys]:
        raise Refused(f"{place}: unknown key {shown(unknown[0])}.{_nearest(unknown[0], keys)}")
    if missing := [key for key, needed in keys.items() if needed and key not in given]:
        raise Refused(f"{place}: {missing[0]!r} is missing")
    return given


def _list(given: Any, place: str) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise Refused(f"{place} must be a list of one tensor or more")
    return given


def _parameters(given: dict[str, Any], place: str) -> dict[str, Any]:
    """Those that mean nothing here are passed over, as the protocol says."""
    parameters = given.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Refused(f"{place}: parameters must be a JSON object")
    return parameters


def _flag(parameters: dict[str, Any], name: str, place: str, otherwise: bool = False) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise Refused(f"{place}: {name} must be true or false")
    return value


def _nearest(given: Any, known: Iterable[str]) -> str:
    """What may have been meant, where that is worth looking for."""
    return nearest(given, known) if isinstance(given, str) and len(given) <= LONGEST else ""
