"""The protocol's methods over gRPC."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are no JSON, and anybody can cause them
import grpc
from google.protobuf.message import DecodeError

from schwarz.errors import SchwarzError
from schwarz.serving.access import WANTED, may
from schwarz.serving.batching import Batcher
from schwarz.serving.bodies import BODY_S, MB, SMALL, SMALL_MB, Room
from schwarz.serving.following import Models
from schwarz.serving.inference import Inference
from schwarz.serving.protocol import UNREAD_S
from schwarz.serving.refused import GONE, Refused
from schwarz.serving.rpc.inference import parse, read, write
from schwarz.serving.rpc.messages import MESSAGES, SERVICE
from schwarz.serving.watching import Figures

MESSAGE_MB = 6
"""The largest message: how large one is, is known when it is there."""
AT_ONCE = 3
"""Messages that are received at a time; what others send waits in their connections."""
CALLS = 256
"""That may wait, or be under way."""
STREAMS = 128
"""Of them, of one connection."""
MESSAGE_S = 5.0
"""How long a message may take to arrive, once its turn has come."""
WATCH_S = 0.25
"""How often it is looked whether the server still is one."""
AGAIN_S = 2.0
"""How long until the next try to have the port again."""
IDLE_S = 15
"""How long a connection may do nothing."""
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.UNAVAILABLE,  # which clients try again
    GONE: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
}
"""What HTTP's statuses are called here."""
OPTIONS = {
    "grpc.max_receive_message_length": MESSAGE_MB * MB,
    "grpc.max_concurrent_streams": STREAMS,
    "grpc.max_connection_idle_ms": IDLE_S * 1000,
    "grpc.server_handshake_timeout_ms": int(BODY_S * 1000),
    "grpc.compression_enabled_algorithms_bitset": 1,  # none: a small message could become a vast one
    "grpc.http2.bdp_probe": 0,  # what has been sent and is not read stays as little as it is at first
    "grpc.keepalive_time_ms": 30_000,  # a client that is gone without a word is noticed
    "grpc.keepalive_timeout_ms": 15_000,
    "grpc.so_reuseport": 0,  # a port that is taken is taken
}
LOG = logging.getLogger("schwarz.serving")
Answering = Callable[[grpc.aio.ServicerContext], Awaitable[bytes]]


class Rpc:
    """A gRPC server beside the one for HTTP: it computes with the same models, within the same room."""

    def __init__(self, models: Models, figures: Figures, room: Room, token: bytes | None, address: str) -> None:
        """`address`: as `127.0.0.1:8081`."""
        self._models, self._figures, self._room, self._token, self.address = models, figures, room, token, address
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        await self._begin()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self, grace_s: float | None) -> None:
        """Accept nothing more, and finish what was begun."""
        self._watching.cancel()
        await self._server.stop(grace_s)

    async def _begin(self) -> None:
        self._server = grpc.aio.server(options=list(OPTIONS.items()), maximum_concurrent_rpcs=CALLS)
        health = {"ServerLive": self.live, "ServerReady": self.ready}
        others = {
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.metadata,
            "ModelInfer": self.infer,
        }
        # each takes a stream, though one message comes: so it is read when its turn has come, or not at all
        handlers = {name: self._handler(name, self._healthy(answer)) for name, answer in health.items()}
        handlers |= {name: self._handler(name, self._asked(answer)) for name, answer in others.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            self._server.add_insecure_port(self.address)
        except RuntimeError:
            raise SchwarzError(f"{self.address} is not for gRPC any more. Give another `--grpc-port`.") from None
        await self._server.start()

    async def _watch(self) -> None:
        """Begin anew where grpc has ended the server by itself, as after a path that is no text."""
        while True:
            try:
                while await self._server.wait_for_termination(WATCH_S):
                    pass
            except UnicodeDecodeError:
                LOG.warning("gRPC: begun anew, after a call whose path is no text")
                await self._begin_anew()
            else:
                return

    async def _begin_anew(self) -> None:
        await self._server.stop(None)
        while True:
            try:
                return await self._begin()
            except SchwarzError as fault:  # somebody has taken the port, perhaps not for long
                LOG.warning("gRPC: %s", fault)
                await asyncio.sleep(AGAIN_S)

    def live(self) -> bytes:
        return _told("ServerLiveResponse", live=True)

    def ready(self) -> bytes:
        return _told("ServerReadyResponse", ready=True)

    async def model_ready(self, content: bytes) -> bytes:
        asked = _message("ModelReadyRequest", content)
        try:
            self._models.named(asked.name, asked.version or None)
        except Refused:
            return _told("ModelReadyResponse", ready=False)
        return _told("ModelReadyResponse", ready=True)

    async def server_metadata(self, content: bytes) -> bytes:
        _message("ServerMetadataRequest", content)
        return _told("ServerMetadataResponse", name="schwarz", version=version("schwarz"))

    async def metadata(self, content: bytes) -> bytes:
        asked = _message("ModelMetadataRequest", content)
        return _told("ModelMetadataResponse", **self._models.named(asked.name, asked.version or None).model.metadata())

    async def infer(self, content: bytes) -> bytes:
        batcher, asked = await self._room.read(len(content), _stays, self._read, content)
        results = await batcher.run(asked)
        return await self._room.write(results, write, batcher.model, asked, results)

    def _read(self, content: bytes) -> tuple[Batcher, Inference]:
        """What is asked, and what computes it: at one go, for a message that is read takes many times its size."""
        request = parse(content)
        batcher = self._models.named(request.model_name, request.model_version or None)
        batcher.check()
        return batcher, read(batcher.model, request)

    def _healthy(self, answer: Callable[[], bytes]) -> Answering:
        """Anybody may ask, and nothing of what is sent is read."""

        async def answered(_: grpc.aio.ServicerContext) -> bytes:
            return answer()

        return answered

    def _asked(self, answer: Callable[[bytes], Awaitable[bytes]]) -> Answering:
        async def answered(context: grpc.aio.ServicerContext) -> bytes:
            self._check(context)
            async with self._content(context) as content:
                return await answer(content)

        return answered

    def _handler(self, name: str, answer: Answering) -> Any:
        """A method as gRPC calls it."""

        async def handle(_: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
            began, status, said = time.perf_counter(), 500, ""
            try:
                found = await answer(context)
                self._hold(len(found), context)
                await context.write(found)
            except Refused as fault:
                status, said = fault.status, fault.message
            except asyncio.CancelledError:
                status = GONE
                raise
            except Exception as fault:
                LOG.exception("gRPC: %s", name)
                said = f"{type(fault).__name__}: the log of the server has the cause"
            else:
                status = 200
                return
            finally:
                self._figures.answered(name, status, time.perf_counter() - began)
            # not by `abort`, whose exception would hold on to this frame and the context
            context.set_code(CODES[status])
            context.set_details(said)

        # a stream of answers though there is one: of a refusal nothing is sent that its client would have to read
        return grpc.stream_stream_rpc_method_handler(handle)

    def _hold(self, size: int, context: grpc.aio.ServicerContext) -> None:
        """An answer takes room until its client has read it; where that takes too long the call is ended."""
        room = 4 * size  # it, what gRPC makes of it, and what the allocator keeps of both
        self._room.take(room, SMALL_MB * MB if size > SMALL else 0)
        sending = asyncio.current_task()
        assert sending
        clock = asyncio.get_running_loop().call_later(UNREAD_S, sending.cancel)

        def ended(_: object) -> None:
            clock.cancel()
            self._room.give(room)

        done: Any = context  # its callback is called with the context, whatever its type says
        done.add_done_callback(ended)

    def _check(self, context: grpc.aio.ServicerContext) -> None:
        given = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if not may([str(value).encode() for value in given], self._token):
            raise Refused(WANTED, 401)

    @asynccontextmanager
    async def _content(self, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        """The message of a call, which takes room until it is answered."""
        content, most = b"", 2 * MESSAGE_MB * MB  # as it comes, and as one piece
        async with self._turns:
            self._room.take(most, SMALL_MB * MB)  # how much comes is not known before it is there
            try:
                content = await _first(context)
            finally:
                self._room.give(most - 2 * len(content))
        try:
            yield content
        finally:
            self._room.give(2 * len(content))  # itself, and the bytes of its tensors


async def _first(context: grpc.aio.ServicerContext) -> bytes:
    try:
        async with asyncio.timeout(MESSAGE_S):
            content: Any = await context.read()
    except TimeoutError:
        raise Refused(f"the message did not arrive within {MESSAGE_S:.0f} s", 408) from None
    if not isinstance(content, bytes):  # the end of what is sent
        raise Refused("no message came with the call")
    return content


def _stays() -> bool:
    """Who has left is not asked: gRPC cancels the call."""
    return False


def _message(name: str, content: bytes) -> Any:
    try:
        return MESSAGES[name].FromString(content)
    except DecodeError:
        raise Refused(f"the message is no {name}") from None


def _told(message: str, /, **fields: object) -> bytes:
    return MESSAGES[message](**fields).SerializeToString()
