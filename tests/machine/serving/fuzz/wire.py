"""Requests as bytes on a connection, in one piece or in many, and answers read from it."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from hypothesis import strategies as st

from tests.machine.serving.fuzz.graph import NAME
from tests.machine.serving.fuzz.requests import Body, Draw, below, bodies, one_of, spoilt

HEADER = "inference-header-content-length"
INFER = f"/v2/models/{NAME}/infer"
VERSIONS = f"/v2/models/{NAME}/versions"
RIGHT = (INFER, f"{VERSIONS}/1/infer", f"{INFER}?a=b")
PATHS = (
    *[INFER] * 8, *RIGHT, f"{VERSIONS}/2/infer", "/v2/models/four/infer", f"{INFER}/", f"/v2/models/{NAME}%00/infer",
    "/v2/models/%ff/infer", f"/v2//models/{NAME}/infer",
)  # fmt: skip
HEADS = (
    b"Content-Length: 3\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n", b"Content-Encoding: gzip\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n",
    b"Connection: upgrade\r\n", b"Connection: close\r\n", b"x: " + b"y" * 70_000, b"\r\n", b": \r\n", b" x: y\r\n",
    b"\0", b"\xff: \xff\r\n", b"Host: a\r\nHost: b\r\n",
)  # fmt: skip
"""What is put among the headers of a request."""
BODIES, CUTS = bodies(), st.lists(st.integers(0, 999), max_size=5).map(tuple)
SOON_S = 0.03
"""How long an answer to what may be no request is waited for before the connection is half closed."""


@dataclass(frozen=True)
class Sent:
    """A request; `cuts`: where its body is cut into chunks, if it is."""

    body: Body
    path: str = INFER
    cuts: tuple[int, ...] | None = None
    offer: bool = False
    """To speak another protocol, which a server may pass over."""

    @property
    def wire(self) -> bytes:
        headers = [
            f"POST {self.path} HTTP/1.1",
            "Host: localhost",
            *(f"{HEADER}: {each}" for each in self.body.headers),
        ]
        headers += ["Connection: Upgrade", "Upgrade: h2c"] if self.offer else []
        content = self.body.content
        if self.cuts is None:
            headers.append(f"Content-Length: {len(content)}")
        else:
            headers.append("Transfer-Encoding: chunked")
            places = sorted({0, *(cut for cut in self.cuts if cut < len(content)), len(content)})
            pieces = [content[a:b] for a, b in pairwise(places)]
            content = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        return "\r\n".join([*headers, "", ""]).encode("latin-1") + content


@dataclass(frozen=True)
class Talk:
    """What is sent on one connection: requests with no pause between them, then perhaps what is none or half of one."""

    requests: tuple[Sent, ...]
    last: bytes = b""
    pieces: int = 0
    """Bytes that are sent at a time; 0: all."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def ends(self) -> bool:
        return self.headers.get("connection") == "close"

    def json(self) -> Any:
        return json.loads(self.content)


@st.composite
def sents(draw: Draw) -> Sent:
    cuts = draw(CUTS) if one_of(draw, *[False] * 3, True) else None
    return Sent(draw(BODIES), one_of(draw, *PATHS), cuts, one_of(draw, *[False] * 9, True))


SENTS = sents()


@st.composite
def talks(draw: Draw) -> Talk:
    requests = tuple(draw(SENTS) for _ in range(one_of(draw, 1, 1, 1, 1, 2, 4)))
    pieces = one_of(draw, *[0] * 6, 1000, 50)
    if one_of(draw, *[True] * 4, False):
        return Talk(requests, pieces=pieces)
    last = draw(SENTS)
    head, _, content = last.wire.partition(b"\r\n\r\n")
    way = one_of(draw, "head", "header", "framing", "cut")
    if way == "head":
        spoilt_wire = draw(spoilt(head)) + b"\r\n\r\n" + content
    elif way == "header":
        spoilt_wire = head + b"\r\n" + one_of(draw, *HEADS) + b"\r\n" + content
    elif way == "framing":
        spoilt_wire = head + b"\r\n\r\n" + draw(spoilt(content))
    else:
        spoilt_wire = last.wire[: draw(below(len(last.wire)))]
    return Talk(requests, spoilt_wire, pieces)


def held(sock: socket.socket, talk: Talk) -> Iterator[Answer]:
    """The answers to all of it, as far as they came before the connection ended."""
    with sock.makefile("rb") as answers:
        _send(sock, b"".join(each.wire for each in talk.requests), talk.pieces)
        for _ in talk.requests:
            answer = _answer(answers)
            assert answer, "a request has no answer"
            yield answer
            if answer.ends:
                return
        if talk.last:
            _send(sock, talk.last, talk.pieces)
            select.select([sock], [], [], SOON_S)
            _finish(sock)
            while answer := _answer(answers):
                yield answer


def _send(sock: socket.socket, content: bytes, pieces: int) -> None:
    size = pieces or len(content) or 1
    with suppress(BrokenPipeError, ConnectionResetError):  # it was told to stop; what it was told is read
        for at in range(0, len(content), size):
            sock.sendall(content[at : at + size])


def _finish(sock: socket.socket) -> None:
    with suppress(OSError):  # the server was quicker
        sock.shutdown(socket.SHUT_WR)


def _answer(answers: BinaryIO) -> Answer | None:
    """The next one; None where the connection ended before it began."""
    try:
        line = answers.readline()
    except ConnectionResetError:
        return None
    if not line:
        return None
    version, status, _ = line.split(b" ", 2)
    assert version == b"HTTP/1.1", line
    headers = {}
    while (field := answers.readline()) != b"\r\n":
        name, colon, value = field.decode("ascii").partition(":")
        assert colon, field
        headers[name] = value.strip()
    if int(status) == 100:
        return _answer(answers)
    size = int(headers["content-length"])
    content = answers.read(size)
    assert len(content) == size, "half an answer"
    return Answer(int(status), headers, content)
