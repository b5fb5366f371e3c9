"""Half-sent requests and idle connections end, what is no HTTP is refused, and others are not held up."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import psutil
import pytest

from tests.pipeline.graphs import model
from tests.unit.serving.served import Served, served

WITHIN_S = 15


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(model(tmp_path_factory.mktemp("model") / "four.onnx")) as one:
        yield one


def connection(server: Served) -> socket.socket:
    found = socket.create_connection((server.host, server.port))
    found.settimeout(WITHIN_S)
    return found


def rest(sock: socket.socket) -> bytes:
    """All that the server sends until it closes."""
    content = b""
    while piece := sock.recv(65536):
        content += piece
    return content


SENT = {
    "nothing": b"",
    "half a line": b"POST /v2/mod",
    "half a head": b"POST /v2/models/four/infer HTTP/1.1\r\nHost: localhost\r\nContent-Le",
    "half a body": b"POST /v2/models/four/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
}


def test_whoever_sends_half_is_not_waited_for(server: Served) -> None:
    """All at once, for each takes its ten or fifteen seconds; meanwhile others are answered."""
    began = time.monotonic()
    with ExitStack() as stack:
        waiting = {name: stack.enter_context(closing(connection(server))) for name in SENT}
        for name, sock in waiting.items():
            sock.sendall(SENT[name])
        assert server.ask("GET", "/v2/health/live")[0] == 200
        ended = {name: rest(sock) for name, sock in waiting.items()}
    assert time.monotonic() - began < WITHIN_S + 2
    for name, content in ended.items():
        head, _, body = content.partition(b"\r\n\r\n")
        assert b" 408 " in head, name
        assert "did not arrive within" in json.loads(body)["error"]


def test_empty_lines_keep_no_connection_alive(server: Served) -> None:
    """They stop uvicorn's clock of idle connections."""
    with closing(connection(server)) as sock:
        sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in sock.recv(65536)
        sock.sendall(b"\r\n")
        began = time.monotonic()
        rest(sock)
        assert time.monotonic() - began < WITHIN_S


def test_a_long_head_that_comes_at_once_is_long_too(server: Served) -> None:
    with closing(connection(server)) as sock:
        sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nx-long: " + b"a" * 70_000 + b"\r\n\r\n")
        assert b" 431 " in rest(sock)


def test_bytes_that_are_no_text_in_an_address(server: Served) -> None:
    with closing(connection(server)) as sock:
        sock.sendall(b"GET /nowhere?\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert rest(sock).split()[1] in (b"400", b"404")


DRIPPED = {
    "head": (b"GET /v2 HTTP/1.1\r\n", b"x-a: b\r\n"),
    "body": (b"POST /v2/models/four/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", b" "),
    "chunks": (
        b"POST /v2/models/four/infer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\n \r\n",
    ),
    "body of none": (b"POST /v2/models/five/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", b" "),
}


@pytest.mark.parametrize(("first", "drop"), DRIPPED.values(), ids=DRIPPED)
def test_who_drips_is_no_better_off(server: Served, first: bytes, drop: bytes) -> None:
    """It is told so and, after a moment to read that, cut off."""
    with closing(connection(server)) as sock:
        began = time.monotonic()
        sock.sendall(first)
        with suppress(OSError):
            while time.monotonic() - began < WITHIN_S + 4:
                sock.sendall(drop)
                time.sleep(0.5)
        assert time.monotonic() - began < WITHIN_S + 3


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /v2 HTTP/9.9\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /v2 HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", 400),
        (b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\n" + b"x-long: " + b"a" * 2**17, 431),
        (b"GET /" + b"a" * 2**17, 431),
    ],
)
def test_what_is_no_request_is_refused_in_the_protocols_form(server: Served, sent: bytes, status: int) -> None:
    with closing(connection(server)) as sock:
        sock.sendall(sent)
        head, _, body = rest(sock).partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert list(json.loads(body)) == ["error"]
    assert len(body) < 4096


def test_many_idle_connections_hold_nobody_up(server: Served) -> None:
    with ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(closing(connection(server)))
        began = time.monotonic()
        assert server.ask("GET", "/v2/health/live")[0] == 200
        assert time.monotonic() - began < 5
    assert psutil.Process(server.process.pid).is_running()


def test_head_and_body_of_an_answer_are_one_piece(server: Served) -> None:
    """Each would be a system call, and a packet, of its own."""
    with closing(connection(server)) as sock:
        for number in range(1, 4):
            sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            content = b""
            while not content.endswith(b'{"live":true}'):
                content += sock.recv(65536)
            assert struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)[0] == number
