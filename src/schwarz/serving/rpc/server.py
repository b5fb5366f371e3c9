"""The protocol's methods over gRPC."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from schwarz.errors import SchwarzError
from schwarz.serving.access import WANTED, may
from schwarz.serving.batching import Batcher
from schwarz.serving.bodies import BODY_S, MB, Room, written
from schwarz.serving.following import Models
from schwarz.serving.inference import Inference
from schwarz.serving.refused import GONE, Refused
from schwarz.serving.rpc.inference import parse, read, write
from schwarz.serving.rpc.messages import MESSAGES, SERVICE
from schwarz.serving.watching import Figures

MESSAGE_MB = 6
"""The largest message: how large one is, is known when it is there."""
AT_ONCE = 3
"""Messages that are received at a time; what others send waits in their connections."""
CALLS = 1024
"""That may wait, or be under way."""
STREAMS = 128
"""Of them, of one connection."""
IDLE_S = 15
"""How long a connection may do nothing."""
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
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
    "grpc.so_reuseport": 0,  # a port that is taken is taken
}
LOG = logging.getLogger("schwarz.serving")
Left = Callable[[], bool]
Answering = Callable[[bytes, Left], Awaitable[bytes]]


class Rpc:
    """A gRPC server beside the one for HTTP: it computes with the same models, within the same room."""

    def __init__(self, models: Models, figures: Figures, room: Room, token: bytes | None, address: str) -> None:
        """`address`: as `127.0.0.1:8081`."""
        self._models, self._figures, self._room, self._token, self.address = models, figures, room, token, address
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        self._server = grpc.aio.server(options=list(OPTIONS.items()), maximum_concurrent_rpcs=CALLS)
        methods: dict[str, tuple[Answering, bool]] = {
            "ServerLive": (self.live, True),
            "ServerReady": (self.ready, True),
            "ModelReady": (self.model_ready, False),
            "ServerMetadata": (self.server, False),
            "ModelMetadata": (self.metadata, False),
            "ModelInfer": (self.infer, False),
        }
        # each takes a stream, though one message comes: so it is read when its turn has come
        handlers = {
            name: grpc.stream_unary_rpc_method_handler(self._answering(name, *method))
            for name, method in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            self._server.add_insecure_port(self.address)
        except RuntimeError as fault:
            raise SchwarzError(f"{self.address} is not for gRPC: {fault}. Give another `--grpc-port`.") from None
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, and finish what was begun."""
        await self._server.stop(grace_s)

    async def live(self, content: bytes, _: Left) -> bytes:
        _message("ServerLiveRequest", content)
        return _told("ServerLiveResponse", live=True)

    async def ready(self, content: bytes, _: Left) -> bytes:
        _message("ServerReadyRequest", content)
        return _told("ServerReadyResponse", ready=True)

    async def model_ready(self, content: bytes, _: Left) -> bytes:
        asked = _message("ModelReadyRequest", content)
        self._models.named(asked.name, asked.version or None)
        return _told("ModelReadyResponse", ready=True)

    async def server(self, content: bytes, _: Left) -> bytes:
        _message("ServerMetadataRequest", content)
        return _told("ServerMetadataResponse", name="schwarz", version=version("schwarz"))

    async def metadata(self, content: bytes, _: Left) -> bytes:
        asked = _message("ModelMetadataRequest", content)
        return _told("ModelMetadataResponse", **self._models.named(asked.name, asked.version or None).model.metadata())

    async def infer(self, content: bytes, left: Left) -> bytes:
        batcher, asked = await self._room.read(len(content), left, self._asked, content)
        results = await batcher.run(asked, left)
        size = sum(values.nbytes for values in results.values())
        return await written(size, write, batcher.model, asked, results)

    def _asked(self, content: bytes) -> tuple[Batcher, Inference]:
        """What is asked, and what computes it: at one go, for a message that is read takes many times its size."""
        request = parse(content)
        batcher = self._models.named(request.model_name, request.model_version or None)
        batcher.check()
        return batcher, read(batcher.model, request)

    def _answering(self, name: str, answer: Answering, anybody: bool) -> Callable[..., Awaitable[bytes]]:
        """A method as gRPC calls it."""

        async def answered(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
            began, status, said = time.perf_counter(), 500, ""
            try:
                if not anybody:
                    self._check(context)
                async with self._content(messages) as content:
                    found = await answer(content, context.cancelled)
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
                return found
            finally:
                self._figures.answered(name, status, time.perf_counter() - began)
            # not where it was caught: the fault holds on to all that was read
            return await context.abort(CODES[status], said)

        return answered

    def _check(self, context: grpc.aio.ServicerContext) -> None:
        given = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if not may([str(value).encode() for value in given], self._token):
            raise Refused(WANTED, 401)

    @asynccontextmanager
    async def _content(self, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The message of a call, which takes room until it is answered."""
        content, most = b"", 2 * MESSAGE_MB * MB  # as it comes, and as one piece
        async with self._turns:
            self._room.take(most)  # how much comes is not known before it is there
            try:
                content = await _first(messages)
            finally:
                self._room.give(most - len(content))
        try:
            yield content
        finally:
            self._room.give(len(content))


async def _first(messages: AsyncIterator[bytes]) -> bytes:
    try:
        async with asyncio.timeout(BODY_S):
            return await anext(messages)
    except StopAsyncIteration:
        raise Refused("no message came with the call") from None
    except TimeoutError:
        raise Refused(f"the message did not arrive within {BODY_S:.0f} s", 408) from None


def _message(name: str, content: bytes) -> Any:
    try:
        return MESSAGES[name].FromString(content)
    except DecodeError:
        raise Refused(f"the message is no {name}") from None


def _told(message: str, /, **fields: object) -> bytes:
    return MESSAGES[message](**fields).SerializeToString()
