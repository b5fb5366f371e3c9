"""HTTP as uvicorn reads it, but not for ever: a request whose head does not arrive in time, or is too long, ends."""

import asyncio
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""How long a connection may take until the headers of its first request, or of the next one it has begun, are there."""
HEAD_BYTES = 2**16
UNREAD_S = 15.0
"""How long an answer may wait for a client that does not read it."""
LINGER_S = 2.0
"""How long a client that was told to stop may go on sending."""


class Lingering:
    """A transport that is closed in two steps: nothing more is sent, and what still comes is thrown away for a moment.

    Closed at once, while the client goes on sending, it would take the answer along that the client has not read yet.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._ending = transport, loop, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._ending or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self.is_closing():
            return
        self._ending = True
        self._transport.resume_reading()
        self._transport.write_eof()
        self._loop.call_later(LINGER_S, self._transport.abort)  # read or not: somebody else wants the place


class Patient(HttpToolsProtocol):
    """A connection with an end to our patience."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._due: TimerHandle | None = None
        self._unread: TimerHandle | None = None
        self._head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(Lingering(transport, self.loop))  # type: ignore[arg-type]  # all that uvicorn asks of it
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        if self._unread:
            self._unread.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._head += len(data)
        super().data_received(data)
        if self._due and self._head > HEAD_BYTES:
            self._too_long()
        idle = self.cycle is None or self.cycle.response_complete
        if idle and not self._due and not self.timeout_keep_alive_task and not self.transport.is_closing():
            self._expect()  # an empty line before a request stops uvicorn's own clock

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect()

    def on_headers_complete(self) -> None:
        self._arrived()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._too_long()
            raise ValueError  # as for whatever else is no request: nothing more of it is parsed
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "this is no HTTP request")

    def _expect(self) -> None:
        """From now on a head is waited for."""
        if not self._due:
            self._head = 0
            self._due = self.loop.call_later(HEAD_S, self._late)

    def _arrived(self) -> None:
        if self._due:
            self._due.cancel()
            self._due = None

    def _too_long(self) -> None:
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the headers are longer than {HEAD_BYTES} bytes")

    def _late(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the headers did not arrive within {HEAD_S:.0f} s")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """In the protocol's form; nothing more is read of this connection."""
        self._arrived()
        if self.transport.is_closing():
            return
        content = orjson.dumps({"error": message})
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        self.transport.write(f"{head}content-length: {len(content)}\r\nconnection: close\r\n\r\n".encode() + content)
        self.transport.close()
