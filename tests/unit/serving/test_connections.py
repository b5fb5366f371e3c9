"""One connection, several requests: each gets its own answer, in order, whatever stands before or behind it."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import psutil
import pytest

from tests.pipeline.graphs import model
from tests.unit.serving.served import Served, served

INFER = "/v2/models/four/infer"
PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}
BODY = json.dumps({"inputs": [PIXELS]}).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(model(tmp_path_factory.mktemp("model") / "four.onnx")) as one:
        yield one


def post(*headers: str, body: bytes = BODY, path: str = INFER) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: localhost", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


def told(server: Served, *sent: bytes) -> list[tuple[int, bool]]:
    """Of every answer on one connection: its status, and whether it says that it is the last."""
    with closing(socket.create_connection((server.host, server.port), timeout=20)) as sock:
        for piece in sent:
            sock.sendall(piece)
            time.sleep(0.1)  # a segment of its own
        content = b""
        while piece := sock.recv(65536):
            content += piece
    answers = content.split(b"HTTP/1.1 ")[1:]
    return [(int(answer.split()[0]), b"\r\nconnection: close\r\n" in answer) for answer in answers]


ENDING = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_requests_without_a_pause_between_them(server: Served) -> None:
    assert told(server, post() * 20 + post(body=b"{") + ENDING) == [*[(200, False)] * 20, (400, False), (200, True)]


def test_who_is_too_far_ahead_is_answered_so_far(server: Served) -> None:
    """One request under way and 32 behind it."""
    assert told(server, post() * 60) == [*[(200, False)] * 32, (200, True)]


@pytest.mark.parametrize("garbage", [b"garbage\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"x" * 70_000])
def test_what_is_no_request_does_not_take_the_answer_of_the_one_before(server: Served, garbage: bytes) -> None:
    assert told(server, post() + post() + garbage) == [(200, False), (200, True)]


def test_what_is_left_of_a_body_is_not_the_next_request(server: Served) -> None:
    """It is refused before its body is there: the client is told to begin anew, on another connection."""
    sent = post(path="/v2/models/five/infer", body=b"x" * 200_000)
    assert told(server, sent[:200], sent[200:], ENDING) == [(404, True)]
    assert told(server, sent, ENDING)[0][0] == 404
    sent = post(path="/v2/models/five/infer")
    assert told(server, sent, ENDING) == [(404, False), (200, True)]


def test_an_offer_to_speak_another_protocol_is_passed_over(server: Served) -> None:
    """Java's client makes it with every request."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
    sent = post(*offer)
    assert told(server, sent + sent + ENDING) == [(200, False), (200, False), (200, True)]
    assert told(server, sent[:60], sent[60:-20], sent[-20:], ENDING) == [(200, False), (200, True)]
    assert told(server, b"CONNECT here:80 HTTP/1.1\r\n\r\n") == [(400, True)]


@pytest.mark.parametrize("behind", [b"x-a: " + b"y" * 60_000 + b"\r\n", b"y" * 60_000])
def test_what_stands_behind_a_body_takes_no_memory(server: Served, behind: bytes) -> None:
    """Trailers without an end."""
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with closing(socket.create_connection((server.host, server.port), timeout=20)) as sock:
        sock.sendall(
            f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n0\r\n".encode()
        )
        began = time.monotonic()
        with suppress(OSError):  # it was told to stop
            while time.monotonic() - began < 5:
                sock.sendall(behind)
        assert time.monotonic() - began < 5
    assert process.memory_info().rss - before < 8 * 2**20


def test_a_border_that_is_told_twice_is_none(server: Served) -> None:
    one = f"Inference-Header-Content-Length: {len(BODY)}"
    assert told(server, post(one) + post(one, one) + ENDING) == [(200, False), (400, False), (200, True)]
