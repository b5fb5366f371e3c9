"""What `schwarz serve` cannot serve is said before anything listens."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from tests.pipeline.graphs import graph, model


@pytest.fixture
def taken() -> Any:
    """A port of 127.0.0.1 that another socket has."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("fuor.onnx", 2, "fuor.onnx: no such file. Did you mean 'four.onnx'?"),
        ("text.onnx", 2, "text.onnx: onnxruntime cannot load it"),
        ("int16.onnx", 2, "int16.onnx: onnxruntime cannot load it"),
        ("narrow.onnx", 2, "model 'narrow' cannot compute with these inputs"),
        ("four.onnx --name a/b", 2, "--name 'a/b': letters, digits and ._- alone"),
        ("four.onnx text.onnx --name a", 2, "--name 'a': names one model, here are 2. Leave it out"),
        ("four.onnx ./four.onnx", 2, "./four.onnx: another one is called 'four' already."),
        ("four.onnx --port 66000", 2, "'--port': 66000"),
        ("four.onnx --host no.such.host.invalid", 2, "--host no.such.host.invalid: "),
        ("four.onnx --port {taken}", 1, "cannot be used: Address already in use. Give another `--port`"),
        ("four.onnx --port 0 --grpc-port {taken}", 1, "Address already in use. Give another `--grpc-port`"),
    ],
)
def test_what_is_wrong_is_named(
    schwarz: Callable[..., Any], checkout: Path, taken: int, arguments: str, status: int, said: str
) -> None:
    model(checkout / "four.onnx")
    relu, two = helper.make_node("Relu", ["x"], ["y"]), ["batch", 2]
    short = [helper.make_tensor_value_info(name, TensorProto.INT16, two) for name in "xy"]
    graph(checkout / "int16.onnx", [relu], short[:1], short[1:], [])  # of which onnxruntime has no such rectifier
    row = [helper.make_tensor_value_info(name, TensorProto.FLOAT, two) for name in "xy"]
    three = helper.make_tensor("three", TensorProto.INT64, [2], [-1, 3])
    reshape = helper.make_node("Reshape", ["x", "three"], ["y"])
    graph(checkout / "narrow.onnx", [reshape], row[:1], row[1:], [three])
    (checkout / "text.onnx").write_text("no model")
    told = schwarz("serve", *arguments.format(taken=taken).split())
    assert told.status == status
    assert said in told.last
