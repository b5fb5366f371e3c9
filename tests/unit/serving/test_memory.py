"""Whatever is sent, a server takes little more memory than its limits say, and goes on answering."""

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from onnx import TensorProto, helper

from schwarz.files import write_atomic
from schwarz.serving.bodies import BODY_MB, JSON_MB, MB
from tests.pipeline.graphs import model
from tests.unit.serving.served import Served, served

INFER = "/v2/models/four/infer"
PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}
LIMIT_MB = 2 * BODY_MB
HEADER = "Inference-Header-Content-Length"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(model(tmp_path / "four.onnx")) as one:
        one.ask("POST", INFER, {"inputs": [PIXELS]})
        yield one


def grown(server: Served) -> float:
    """MB that the process has at most, so far."""
    status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def full(piece: bytes, size: int) -> bytes:
    """JSON of nearly that size, an input's data made of one piece again and again."""
    head = b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": ['
    count = (size - len(head) - 4) // (len(piece) + 1)
    return head + b",".join([piece] * count) + b"]}]}"


@pytest.mark.parametrize("piece", [b"1", b"{}", b"[]", b"[1]", b'"a"', b"1e9", b"null"])
def test_json_of_the_largest_size(server: Served, piece: bytes) -> None:
    before = grown(server)
    status, answer = server.ask("POST", INFER, full(piece, JSON_MB * MB))
    assert (status, list(answer)) == (400, ["error"])
    assert len(answer["error"]) < 4096
    assert grown(server) - before < LIMIT_MB
    assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200


def test_json_of_the_largest_size_from_eight_at_once(server: Served) -> None:
    before, answers, body = grown(server), list[int](), full(b"{}", JSON_MB * MB)
    askers = [threading.Thread(target=lambda: answers.append(server.ask("POST", INFER, body)[0])) for _ in range(8)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert answers == [400] * 8
    assert grown(server) - before < LIMIT_MB


def test_more_json_than_that_is_not_read(server: Served) -> None:
    before = grown(server)
    status, answer = server.ask("POST", INFER, full(b"1", JSON_MB * MB + 100))
    assert status == 413
    assert f"larger than {JSON_MB} MB" in answer["error"]
    header = full(b"1", JSON_MB * MB + 100)
    status, answer = server.ask("POST", INFER, header, {HEADER: str(len(header))})
    assert status == 413
    assert "as bytes" in answer["error"]
    assert grown(server) - before < LIMIT_MB


def means(path: Path) -> Path:
    """A graph that says how bright images of 128x128 are: like a real one it gives much less than it takes."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["float"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, 128, 128])
    values = helper.make_tensor_value_info("means", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "means", [images], [values])
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    write_atomic(path, whole.SerializeToString())
    return path


def test_bytes_of_the_largest_size_are_answered_within_twice_their_room(tmp_path: Path) -> None:
    count = (BODY_MB * MB - 1000) // 128**2
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 1, 128, 128), np.uint8)
    tensor = {"name": "images", "datatype": "UINT8", "shape": [count, 1, 128, 128]}
    header = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": images.nbytes}}]}).encode()
    with served(means(tmp_path / "means.onnx")) as server:
        before = grown(server)
        status, answer = server.ask(
            "POST", "/v2/models/means/infer", header + images.tobytes(), {HEADER: str(len(header))}
        )
        assert status == 200
        assert answer["outputs"][0]["data"] == [float(value % 256) for value in range(count)]
        assert grown(server) - before < LIMIT_MB


def test_a_body_of_two_gigabytes_is_refused_before_it_is_sent(server: Served) -> None:
    before = grown(server)
    with closing(socket.create_connection((server.host, server.port))) as sock:
        sock.sendall(f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2**31}\r\n\r\n".encode())
        assert b" 413 " in sock.recv(65536)
    assert grown(server) - before < 8


def test_a_body_of_two_gigabytes_in_chunks_is_refused_at_the_limit(server: Served) -> None:
    before, sent = grown(server), 0
    with closing(socket.create_connection((server.host, server.port), timeout=30)) as sock:
        sock.sendall(
            f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\n{HEADER}: 9\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        with suppress(OSError):  # it was told to stop
            while sent < 2**31 and not select.select([sock], [], [], 0)[0]:
                sock.sendall(b"100000\r\n" + bytes(MB) + b"\r\n")
                sent += MB
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert BODY_MB * MB < sent < 2 * BODY_MB * MB
    assert grown(server) - before < LIMIT_MB


def test_many_large_bodies_at_once_are_told_to_come_back(server: Served) -> None:
    """Each half sent, so that all are held: as many as there is room for, and the others are refused."""
    before, answers = grown(server), list[bytes]()
    head = (
        f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\n{HEADER}: 10\r\nContent-Length: {BODY_MB * MB}\r\n\r\n".encode()
    )

    def send() -> None:
        with closing(socket.create_connection((server.host, server.port))) as sock:
            sock.settimeout(30)
            sock.sendall(head)
            try:
                for _ in range(BODY_MB - 1):
                    sock.sendall(bytes(MB))
            except OSError:
                pass  # it was told to stop
            answers.append(sock.recv(65536))

    senders = [threading.Thread(target=send) for _ in range(8)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    statuses = sorted(answer.split()[1] for answer in answers)
    assert set(statuses) == {b"408", b"429"}
    assert statuses.count(b"408") <= 2
    assert grown(server) - before < LIMIT_MB
    assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200
    assert psutil.pid_exists(server.process.pid)
