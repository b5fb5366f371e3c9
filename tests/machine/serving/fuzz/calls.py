"""Requests over gRPC, right ones and bent ones, and the same request as HTTP would send it: one judge is enough."""

import json
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from tests.machine.serving.fuzz.graph import NAME
from tests.machine.serving.fuzz.judge import DTYPES, OUTPUTS, Right, judged
from tests.machine.serving.fuzz.requests import NAMES, ORDERS, WANTED, Draw, arrays, one_of, spoilt

protocol: Any = service_pb2  # its classes are made when it is loaded
FIELDS = {"images": "uint_contents", "weights": "fp32_contents", "flags": "bool_contents"}
SIZES = (-1, 0, 1, 2, 3, 2**31, 2**62, 2**63 - 1, -(2**63))
TYPES = ("UINT8", "FP32", "BOOL", "INT64", "BYTES", "uint8", "", "U" * 5000)


@st.composite
def calls(draw: Draw) -> bytes:
    """A message, right as often as not."""
    request = draw(_right())
    for _ in range(one_of(draw, 0, 0, 1, 2)):
        _bend(draw, request)
    content = request.SerializeToString()
    return draw(spoilt(content)) if one_of(draw, *[False] * 3, True) else content


@st.composite
def _right(draw: Draw) -> Any:
    request, n = (
        protocol.ModelInferRequest(model_name=NAME, id=one_of(draw, "", "seven", "é\u2028")),
        one_of(draw, 1, 3),
    )
    raw = one_of(draw, False, True)
    for name in draw(ORDERS):
        datatype, dtype, row = DTYPES[name]
        values = draw(arrays(dtype, (n, *row)))
        tensor = request.inputs.add(name=name, datatype=datatype, shape=values.shape)
        if raw:
            request.raw_input_contents.append(values.tobytes())
        else:
            getattr(tensor.contents, FIELDS[name]).extend(values.ravel().tolist())
    if one_of(draw, False, True):
        for name in draw(WANTED):
            request.outputs.add(name=name)
    if one_of(draw, False, True):
        request.parameters["priority"].int64_param = 1
    return request


def _bend(draw: Draw, request: Any) -> None:
    """One place changed."""
    way = one_of(draw, "name", "model", "version", "type", "shape", "again", "gone", "raw", "number", "output")
    tensor = one_of(draw, *request.inputs) if request.inputs else request.inputs.add()
    if way == "name":
        tensor.name = one_of(draw, *(name for name in NAMES if name.isprintable()))
    elif way == "model":
        request.model_name = one_of(draw, "", "four", NAME * 2000)
    elif way == "version":
        request.model_version = one_of(draw, "1", "2", "x", "01")
    elif way == "type":
        tensor.datatype = one_of(draw, *TYPES)
    elif way == "shape":
        tensor.shape[:] = draw(st.lists(st.sampled_from(SIZES), max_size=6))
    elif way == "again":
        request.inputs.append(tensor)
    elif way == "gone":
        request.inputs.remove(tensor)
    elif way == "raw":
        request.raw_input_contents.append(draw(st.binary(max_size=8)))
    elif way == "number":
        field = one_of(draw, "uint_contents", "int_contents", "bool_contents", "int64_contents", "uint64_contents")
        getattr(tensor.contents, field).append(one_of(draw, 0, 1))
        tensor.contents.fp32_contents.extend(one_of(draw, [], [float("nan")], [float("inf")], [1.5]))
    else:
        request.outputs.add(name=one_of(draw, *OUTPUTS, "odds", ""))


def judged_call(content: bytes) -> Right | None:
    """What is asked; None where that is wrong."""
    try:
        request = protocol.ModelInferRequest.FromString(content)
    except DecodeError:
        return None
    if request.model_name != NAME or request.model_version not in ("", "1"):
        return None
    raw = list(request.raw_input_contents)
    if raw and (len(raw) != len(request.inputs) or any(each.HasField("contents") for each in request.inputs)):
        return None
    tree: dict[str, Any] = {"inputs": [], "parameters": {"binary_data_output": bool(raw)}}
    for place, each in enumerate(request.inputs):
        tensor: dict[str, Any] = {"name": each.name, "datatype": each.datatype, "shape": list(each.shape)}
        if raw:
            tensor["parameters"] = {"binary_data_size": len(raw[place])}
        else:
            filled = {field.name: list(values) for field, values in each.contents.ListFields()}
            if set(filled) - {FIELDS.get(each.name)}:
                return None
            tensor["data"] = next(iter(filled.values()), [])
        tree["inputs"].append(tensor)
    tree["outputs"] = [{"name": each.name} for each in request.outputs]
    tree |= {"id": request.id} if request.id else {}
    text = json.dumps(tree).encode()
    return judged(text + b"".join(raw), str(len(text)))


def outputs(answer: bytes, asked: Right) -> dict[str, np.ndarray]:
    """What a right answer holds, as it was asked for."""
    told = protocol.ModelInferResponse.FromString(answer)
    assert (told.model_name, told.model_version, told.id) == (NAME, "1", asked.id or "")
    found = {}
    for place, each in enumerate(told.outputs):
        dtype = {"FP32": "<f4", "BOOL": "?"}[each.datatype]
        if asked.outputs[each.name]:
            values = np.frombuffer(told.raw_output_contents[place], dtype)
        else:
            values = np.array(getattr(each.contents, "bool_contents" if dtype == "?" else "fp32_contents"), dtype)
        found[each.name] = values.reshape(each.shape)
    return found
