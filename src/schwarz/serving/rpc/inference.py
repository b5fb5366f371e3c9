"""One request for inference over gRPC, from its bytes to those of the answer."""

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from schwarz.serving.bodies import MB
from schwarz.serving.inference import Inference, check_images, finite, input_names, output_names
from schwarz.serving.model import Model
from schwarz.serving.refused import Refused
from schwarz.serving.rpc.messages import MESSAGES

CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents",
}  # fmt: skip
"""Where the values of each datatype stand; those of FP16 only as bytes."""
NUMBERS_MB = 2
"""Of a message, at most, that are no bytes of tensors: read, they take up to 40 times as much."""
PARTS = 1000
"""Fields of a request, at most: each takes many times its two bytes once it is read."""
FEW = 4096
"""Numbers that are written at a time."""
AXES = 64
"""Sizes of a shape that are looked at: numpy knows no more axes."""
NUMBER, PIECE, FIXED, GROUP = 0, 2, {1: 8, 5: 4}, (3, 4)
"""How protobuf writes a field: seven bits in each byte; so many bytes as it says; always as many; fields between two
marks."""
RAW = 7 << 3 | PIECE
"""The tag of raw_input_contents."""
NO_MESSAGE = "the message is no ModelInferRequest"


def parse(content: bytes) -> Any:
    """The message, not yet checked against a model."""
    if len(content) - _bytes_of_tensors(content) > NUMBERS_MB * MB:
        raise Refused(f"more than {NUMBERS_MB} MB of numbers: send fewer images at a time, or raw_input_contents", 413)
    try:
        return MESSAGES["ModelInferRequest"].FromString(content)
    except DecodeError:
        raise Refused(NO_MESSAGE) from None


def _bytes_of_tensors(content: bytes) -> int:
    """How many stand in raw_input_contents: all else takes many times its size once it is read."""
    found = count = at = 0
    while at < len(content):
        count += 1
        if count > PARTS:
            raise Refused(f"more than {PARTS} fields in the message: send fewer", 413)
        tag, at = _number(content, at)
        kind, length = tag & 7, 0
        if kind in FIXED:
            length = FIXED[kind]
        elif kind in (NUMBER, PIECE):
            number, at = _number(content, at)
            length = number if kind == PIECE else 0
        elif kind not in GROUP:
            raise Refused(NO_MESSAGE)
        found += length if tag == RAW else 0
        at += length
    if at > len(content):
        raise Refused(NO_MESSAGE)
    return found


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A number as protobuf writes it, seven bits in each byte, and where what follows begins."""
    number = shift = 0
    while at < len(content):
        byte = content[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128 or shift > 63:
            break
    return number, at


def read(model: Model, request: Any) -> Inference:
    """A request, checked against what the model takes. It is answered as it was asked: with bytes, or with numbers."""
    names = input_names(model, [tensor.name for tensor in request.inputs])
    raw = request.raw_input_contents
    if raw and len(raw) != len(names):
        raise Refused(f"raw_input_contents: {len(raw)} for {len(names)} inputs")
    inputs = {
        name: _raw(model, name, tensor, raw[place]) if raw else _numbers(model, name, tensor)
        for place, (name, tensor) in enumerate(zip(names, request.inputs, strict=True))
    }
    outputs = output_names(model, [tensor.name for tensor in request.outputs]) or model.outputs
    check_images(model, inputs, outputs)
    return Inference(request.id or None, inputs, dict.fromkeys(outputs, bool(raw)))


def _raw(model: Model, name: str, tensor: Any, content: bytes) -> np.ndarray:
    if tensor.HasField("contents"):
        raise Refused(f"input {name!r}: has contents and raw_input_contents too")
    return model.inputs[name].from_bytes(tensor.datatype, list(tensor.shape[:AXES]), memoryview(content))


def _numbers(model: Model, name: str, tensor: Any) -> np.ndarray:
    wanted, given = CONTENTS.get(tensor.datatype, ""), [field.name for field, _ in tensor.contents.ListFields()]
    if not wanted and tensor.datatype == model.inputs[name].datatype:
        raise Refused(f"input {name!r}: {tensor.datatype} has no contents: send raw_input_contents")
    if other := [field for field in given if field != wanted]:
        raise Refused(f"input {name!r}: values in {other[0]}, those of {tensor.datatype[:80]!r} stand in {wanted!r}")
    values = list(getattr(tensor.contents, wanted)) if wanted else []
    return model.inputs[name].read(tensor.datatype, list(tensor.shape[:AXES]), values)


def write(model: Model, asked: Inference, results: dict[str, np.ndarray]) -> bytes:
    """The bytes of the answer."""
    finite(model, results)
    answer = MESSAGES["ModelInferResponse"](model_name=model.name, model_version=model.version, id=asked.id or "")
    raw = any(asked.outputs.values()) or any(model.outputs[name].datatype not in CONTENTS for name in results)
    for name, values in results.items():
        about = model.outputs[name]
        output = answer.outputs.add(name=name, datatype=about.datatype, shape=values.shape)
        if raw:
            answer.raw_output_contents.append(about.to_bytes(values)[1])
        else:
            field, flat = getattr(output.contents, CONTENTS[about.datatype]), values.reshape(-1)
            for at in range(0, len(flat), FEW):  # as Python's numbers they take ten times as much
                field.extend(flat[at : at + FEW].tolist())
    return answer.SerializeToString()
