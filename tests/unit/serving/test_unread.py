"""Answers that nobody reads take little memory, and not for long."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from schwarz.serving.inference import ANSWER
from schwarz.serving.protocol import UNREAD_S
from schwarz.serving.rpc.messages import MESSAGES, SERVICE
from tests.pipeline.graphs import wide
from tests.unit.serving.frames import Deaf
from tests.unit.serving.served import Served, served
from tests.unit.serving.test_memory import LIMIT_MB, grown
from tests.waiting import until

VALUES = 50_000
"""Of an image: ten of them are answered with 2 MB, asked for with a hundred bytes."""
INPUT = {"name": "x", "datatype": "UINT8", "shape": [10, 1]}
MESSAGE = MESSAGES["ModelInferRequest"](model_name="wide", inputs=[INPUT], raw_input_contents=[bytes(10)])
JSON = b'{"inputs": [{"name": "x", "datatype": "UINT8", "shape": [10, 1], "data": [0,0,0,0,0,0,0,0,0,0]}]}'
REQUEST = b"POST /v2/models/wide/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(JSON), JSON)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(wide(tmp_path / "wide.onnx", VALUES), "--grpc-port", "0") as one:
        assert over_grpc(one) is None
        assert over_http(one) == 200
        yield one


def over_grpc(server: Served) -> grpc.StatusCode | None:
    """How a call fails whose answer is read."""
    with grpc.insecure_channel(server.grpc) as channel:
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        answer = infer.future(MESSAGE.SerializeToString(), timeout=30)
        return None if answer.exception() is None else answer.code()


def over_http(server: Served) -> int:
    return server.ask("POST", "/v2/models/wide/infer", JSON)[0]


def test_over_grpc(server: Served) -> None:
    before = grown(server)
    clients = [Deaf(server) for _ in range(8)]
    began = time.monotonic()
    for client in clients:
        for _ in range(100):
            client.call("ModelInfer", MESSAGE.SerializeToString())
    until(lambda: over_grpc(server) is grpc.StatusCode.UNAVAILABLE)
    assert grown(server) - before < LIMIT_MB
    until(lambda: over_grpc(server) is None, limit_s=UNREAD_S + 30)  # the others' calls have been ended
    assert time.monotonic() - began > UNREAD_S - 2
    assert grown(server) - before < LIMIT_MB
    for client in clients:
        client.close()


def test_over_http(server: Served) -> None:
    before, clients = grown(server), 200
    with ExitStack() as stack:
        for _ in range(clients):
            sock = stack.enter_context(closing(socket.socket()))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect((server.host, server.port))
            sock.sendall(REQUEST)
        until(lambda: answered(server) >= clients)
        assert grown(server) - before < LIMIT_MB
        assert over_http(server) == 200


def answered(server: Served) -> float:
    with server.connect() as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('schwarz_requests_total{kind="infer"'))


def test_large_answers_are_written_one_at_a_time(tmp_path: Path) -> None:
    """A thousand numbers for each of many images, asked for by many at once."""
    with served(wide(tmp_path / "wide.onnx", 1000)) as server:
        most = ANSWER // 4001  # bytes of an image: `y` and `z`
        told = ask(server, most + 1)
        assert told == (413, {"error": f"{most + 1} images: send {most} at a time, at most"})
        before, found = grown(server), Counter[int]()
        askers = [threading.Thread(target=lambda: found.update([ask(server, most)[0]])) for _ in range(16)]
        for each in askers:
            each.start()
        for each in askers:
            each.join()
        assert set(found) <= {200, 429}
        assert found[200]
        assert grown(server) - before < LIMIT_MB


def ask(server: Served, images: int) -> tuple[int, dict[str, Any]]:
    asked = {"name": "x", "datatype": "UINT8", "shape": [images, 1], "data": [0] * images}
    return server.ask("POST", "/v2/models/wide/infer", {"inputs": [asked]})
