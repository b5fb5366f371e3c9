"""HTTP as uvicorn reads it, but not for ever: a request whose head does not arrive in time, or is too long, ends.

Answers keep the order of the requests, and a connection outlives only requests that were read whole: what is no request
never takes the place of an answer, and what is left of a body is never taken for the next request.
"""

import asyncio
from asyncio.events import TimerHandle
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from schwarz.serving.refused import LEFT

HEAD_S = 10.0
"""How long a connection may take until the headers of its first request, or of the next one it has begun, are there."""
HEAD_BYTES = 2**16
HEAD_LINES = 128
ALL_HEADS = 2**23
"""Bytes of heads that are half there, of all connections."""
AHEAD = 32
"""Requests that one connection may send before the first of them is answered."""
UNREAD_S = 15.0
"""How long an answer may wait for a client that does not read it."""
UNREAD_BYTES = 2**24
"""Of answers that are written and not read, of all others, when a connection that does not read its own is ended."""
LINGER_S = 2.0
"""How long a client that was told to stop may go on sending."""
PARTING_S = 1.0
"""How long a connection that is idle when the server ends may still send a request: it may be under way already."""


class Lingering:
    """A transport that is closed in two steps: nothing more is sent, and what still comes is thrown away for a moment.

    Closed at once, while the client goes on sending, it would take the answer along that the client has not read yet.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._ending = transport, loop, False
        self._held = list[bytes]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._ending or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """What is written in one turn of the loop goes out together: head and body of an answer in one piece."""
        if self.is_closing():
            return
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def _send(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.writelines(self._held)
        self._held = []

    def close(self) -> None:
        if self.is_closing():
            return
        self._ending = True
        self._send()
        self._transport.resume_reading()
        self._transport.write_eof()
        self._loop.call_later(LINGER_S, self._transport.abort)  # read or not: somebody else wants the place


def _parser(protocol: HttpToolsProtocol) -> httptools.HttpRequestParser:
    """As uvicorn makes it."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


class Patient(HttpToolsProtocol):
    """A connection with an end to our patience."""

    heads = 0
    """Bytes of heads that are half there, of all connections."""
    unread = 0
    """Bytes of answers that are written and not read, of all connections."""

    def __init__(self, on_refused: Callable[[int], object], *given: Any, **named: Any) -> None:
        """`on_refused`: told of every status that is answered before there is a request to count."""
        super().__init__(*given, **named)
        self._on_refused = on_refused
        self._due: TimerHandle | None = None
        self._reading: TimerHandle | None = None
        self._unread = 0
        self._more = 0
        """Bytes since a head began, or since the last of its body."""
        self._body = self._deaf = self._ending = self._keep = False
        self._held = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(Lingering(transport, self.loop))  # type: ignore[arg-type]  # all that uvicorn asks of it
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        self._hold(0)
        self._has_read()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The next answer is the last. Who is in the act of asking is not turned away."""
        self._ending, self._keep = True, False
        if self._idle:
            self.loop.call_later(PARTING_S, super().shutdown)
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._deaf:
            return
        self._more += len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        self._hold(self._more if self._due else 0)
        if self._more > HEAD_BYTES:
            self._too_long()
        elif self._due and Patient.heads > ALL_HEADS:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many requests are half sent: send the headers at once")
        if self._idle and not self._due and not self.timeout_keep_alive_task and not self.transport.is_closing():
            self._expect()  # an empty line before a request stops uvicorn's own clock

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._body:
            return  # what stands behind a body is not kept
        super().on_header(name, value)
        if len(self.headers) > HEAD_LINES:
            self._too_long()
            raise ValueError  # as for whatever else is no request: nothing more of it is parsed

    def on_headers_complete(self) -> None:
        self._arrived()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._too_long()
            raise ValueError
        if self.parser.get_method() == b"CONNECT" or len(self.pipeline) >= AHEAD:
            raise ValueError  # this is no proxy; and who is too far ahead is answered so far, then the connection ends
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        cycle = self.cycle
        self.scope["extensions"] = {LEFT: lambda: cycle.disconnected}  # type: ignore[dict-item]  # one of our own
        self._body, self._keep = True, cycle.keep_alive and not self._ending
        cycle.keep_alive = False  # until the body is whole

    def on_body(self, body: bytes) -> None:
        self._more = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._body, self.cycle.keep_alive = False, self._keep

    def pause_writing(self) -> None:
        super().pause_writing()
        patience = UNREAD_S if Patient.unread < UNREAD_BYTES else 0
        self._unread = self.transport.get_write_buffer_size()
        Patient.unread += self._unread
        self._reading = self.loop.call_later(patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_read()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._parse_plain(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST, "this is no HTTP request")

    def _parse_plain(self, rest: bytes) -> None:
        """Passes over the offer to speak another protocol, which Java's client makes with every request: the same
        request without it is parsed anew, for the parser takes what follows an offer for that protocol."""
        head = [self.parser.get_method(), b" ", self.url, f" HTTP/{self.parser.get_http_version()}\r\n".encode()]
        for name, value in self.headers:
            head += [] if name == b"upgrade" else [name, b": ", value, b"\r\n"]
        self.parser = _parser(self)
        self._parse(b"".join([*head, b"\r\n", rest]))

    def _expect(self) -> None:
        """From now on a head is waited for."""
        if not self._due:
            self._more = 0
            self._due = self.loop.call_later(HEAD_S, self._late)

    def _arrived(self) -> None:
        if self._due:
            self._due.cancel()
            self._due = None

    def _has_read(self) -> None:
        """Or never will."""
        if self._reading:
            self._reading.cancel()
            self._reading = None
        Patient.unread -= self._unread
        self._unread = 0

    def _hold(self, size: int) -> None:
        Patient.heads += size - self._held
        self._held = size

    def _too_long(self) -> None:
        self._refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"the headers are longer than {HEAD_BYTES} bytes, or more than {HEAD_LINES}",
        )

    def _late(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the headers did not arrive within {HEAD_S:.0f} s")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """In the protocol's form; nothing more is read of this connection."""
        self._arrived()
        if self.transport.is_closing():
            return
        if self.pipeline or not (self._idle or self._body):  # others come first: with their answers it ends
            self._deaf = True
            self.cycle.keep_alive = self._keep = False
            return
        content = orjson.dumps({"error": message})
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        self.headers, self.parser = [], _parser(self)  # what they hold is not wanted any more
        self._on_refused(status.value)
        self.transport.write(f"{head}content-length: {len(content)}\r\nconnection: close\r\n\r\n".encode() + content)
        self.transport.close()
