"""The binary tensor extension: bytes in, bytes out, in any combination with JSON, and lies about lengths."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from schwarz.serving.inference import read, write
from schwarz.serving.model import Model
from schwarz.serving.refused import Refused
from tests.pipeline.graphs import identity, model
from tests.unit.serving.served import Served, served

INFER = "/v2/models/four/infer"
HEADER = "Inference-Header-Content-Length"
IMAGES = np.random.default_rng(0).integers(0, 5, (3, 1, 2, 2), np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "four.onnx")


@pytest.fixture(scope="module")
def server(file: Path) -> Iterator[Served]:
    with served(file) as one:
        yield one


@pytest.fixture(scope="module")
def expected(file: Path) -> np.ndarray:
    (found,) = onnxruntime.InferenceSession(file).run(None, {"images": IMAGES})
    return np.asarray(found)


def asking(*, bytes_in: bool, bytes_out: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers; bytes are asked for by the request, by the output, or not."""
    content, tensor = IMAGES.tobytes(), {"name": "images", "datatype": "UINT8", "shape": [3, 1, 2, 2]}
    tensor |= {"parameters": {"binary_data_size": len(content)}} if bytes_in else {"data": IMAGES.ravel().tolist()}
    asked: dict[str, Any] = {"inputs": [tensor]}
    if bytes_out == "request":
        asked["parameters"] = {"binary_data_output": True}
    if bytes_out == "output":
        asked["outputs"] = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    header = json.dumps(asked).encode()
    return (header + content, {HEADER: str(len(header))}) if bytes_in else (header, {})


@pytest.mark.parametrize("bytes_in", [False, True])
@pytest.mark.parametrize("bytes_out", ["", "request", "output"])
def test_every_combination_gives_onnxruntimes_numbers(
    server: Served, expected: np.ndarray, bytes_in: bool, bytes_out: str
) -> None:
    body, headers = asking(bytes_in=bytes_in, bytes_out=bytes_out)
    with server.connect() as connection:
        connection.request("POST", INFER, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    assert answer.status == 200, content
    if not bytes_out:
        assert HEADER not in answer.headers
        assert answer.headers["content-type"] == "application/json"
        found = np.array(json.loads(content)["outputs"][0]["data"], np.float32).reshape(3, 4)
    else:
        assert answer.headers["content-type"] == "application/octet-stream"
        size = int(answer.headers[HEADER])
        (output,) = json.loads(content[:size])["outputs"]
        assert output["parameters"] == {"binary_data_size": len(content) - size}
        assert "data" not in output
        found = np.frombuffer(content[size:], "<f4").reshape(output["shape"])
    assert np.array_equal(found, expected)


def test_an_output_may_be_told_from_what_the_request_says_of_all(server: Served) -> None:
    asked = {
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": False}}],
    }
    status, answer = server.ask("POST", INFER, asked)
    assert status == 200
    assert len(answer["outputs"][0]["data"]) == 4


def lie(said: int | None, header: int | None = None, extra: bytes = b"", **tensor: Any) -> tuple[bytes, dict[str, str]]:
    """Four bytes behind the JSON, of which something else is said."""
    given = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], **tensor}
    if said is not None:
        given["parameters"] = {"binary_data_size": said}
    told = json.dumps({"inputs": [given]}).encode()
    return told + b"\0\1\2\3" + extra, {HEADER: str(len(told) if header is None else header)}


LIES: dict[str, tuple[tuple[bytes, dict[str, str]], str]] = {
    "more than there is": (lie(5), "binary_data_size is 5, 4 bytes are left"),
    "fewer than there are": (lie(3), "3 bytes, shape [1, 1, 2, 2] has 4"),
    "more behind": (lie(4, extra=b"x"), "1 bytes behind the JSON belong to no input"),
    "none of an input's": (lie(None), "'data' is missing"),
    "a negative number": (lie(-4), "must be a whole number of bytes"),
    "a number as text": (lie("4"), "must be a whole number of bytes"),  # type: ignore[arg-type]  # as it must not be
    "a fraction": (lie(4.0), "must be a whole number of bytes"),  # type: ignore[arg-type]  # as it must not be
    "a truth": (lie(True), "must be a whole number of bytes"),
    "a vast number": (lie(2**63), "bytes are left"),
    "a header beyond the body": (lie(4, header=9999), "Inference-Header-Content-Length is 9999"),
    "a header that ends too early": (lie(4, header=20), "the body is no JSON"),
    "no header": (lie(4, header=0), "the body is no JSON"),
    "a shape beyond all": (lie(4, shape=[2**61, 1, 2, 2]), "shape"),
    "a shape that overflows": (lie(4, shape=[2**62, 1, 2, 2]), "shape"),
    "another datatype": (lie(4, datatype="FP32"), "the model takes 'UINT8'"),
}


@pytest.mark.parametrize(("request_", "said"), LIES.values(), ids=LIES)
def test_a_lie_about_lengths_is_refused(server: Served, request_: tuple[bytes, dict[str, str]], said: str) -> None:
    status, answer = server.ask("POST", INFER, *request_)
    assert status == 400
    assert said in answer["error"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused_in_bytes_as_it_is_in_json(tmp_path: Path, value: float) -> None:
    same = Model(identity(tmp_path / "same.onnx", TensorProto.FLOAT), "same")
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    header = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(Refused, match="no number, or is infinite"):
        read(same, header + np.array([1, value], "<f4").tobytes(), len(header))


@pytest.mark.parametrize(("datatype", "kind", "dtype"), [
    ("FP16", TensorProto.FLOAT16, "<f2"), ("FP32", TensorProto.FLOAT, "<f4"), ("FP64", TensorProto.DOUBLE, "<f8"),
    ("INT8", TensorProto.INT8, "i1"), ("INT64", TensorProto.INT64, "<i8"), ("BOOL", TensorProto.BOOL, "?"),
])  # fmt: skip
def test_values_come_back_as_they_went(tmp_path: Path, datatype: str, kind: int, dtype: str) -> None:
    same, sent = Model(identity(tmp_path / "same.onnx", kind), "same"), np.array([[1, 0], [0, 1]], dtype)
    tensor = {"name": "x", "datatype": datatype, "shape": [2, 2], "parameters": {"binary_data_size": sent.nbytes}}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    asked = read(same, header + sent.tobytes(), len(header))
    answer = write(same, asked, same.run(asked.inputs, ("y",)))
    assert answer.header is not None
    assert answer.content[answer.header :] == sent.tobytes()


def test_a_truth_is_nought_or_one(tmp_path: Path) -> None:
    same = Model(identity(tmp_path / "same.onnx", TensorProto.BOOL), "same")
    tensor = {"name": "x", "datatype": "BOOL", "shape": [1, 2], "parameters": {"binary_data_size": 2}}
    header = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(Refused, match="neither 0 nor 1"):
        read(same, header + b"\1\2", len(header))
