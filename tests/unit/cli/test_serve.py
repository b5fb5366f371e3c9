"""What `schwarz serve` cannot serve is said before anything listens."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.graphs import model


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
    (checkout / "text.onnx").write_text("no model")
    told = schwarz("serve", *arguments.format(taken=taken).split())
    assert told.status == status
    assert said in told.last
