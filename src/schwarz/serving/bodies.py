"""Reading what clients send and writing what they are told, with limits: of one body, of all that are held at once, of
time."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from starlette.types import Receive, Scope

from schwarz.serving.batching import RETRY_S
from schwarz.serving.refused import GONE, Refused, check_left

T = TypeVar("T")

MB = 2**20
BODY_MB = 64
"""The largest body that is read, tensors as bytes."""
JSON_MB = 3
"""The most of it that may be JSON: read, it takes up to 25 times its text in memory."""
SMALLER = "send fewer images at a time"
SMALLER_JSON = f"{SMALLER}, or tensors as bytes behind the JSON, of which {BODY_MB} MB are read"
ALL_MB = 96
"""Of all requests and answers together; whoever comes when that much is held is told to come back."""
SMALL = 2**16
"""A body of so many bytes is read even when there is room for no larger one."""
SMALL_MB = 16
"""The room that is kept for such."""
BODY_S = 15.0
"""How long a body may take to arrive."""
WRITTEN = 5
"""So many times its numbers an answer takes while it is written."""
LONG = 2**16
"""A body of so many bytes is read, and an answer of so many written, on a thread of its own: others are not held up."""


class Room:
    """Memory for bodies and answers, shared by all requests."""

    def __init__(self, size: int = ALL_MB * MB) -> None:
        self.left = size
        self._turn = asyncio.Semaphore(1)

    def take(self, size: int, kept: int = 0) -> None:
        """So much of it, but nothing of what is `kept` for others; refused where there is less."""
        if size > self.left - kept:
            raise Refused(f"{ALL_MB} MB of other requests and answers are held: try again in {RETRY_S} s", 429)
        self.left -= size

    def give(self, size: int) -> None:
        self.left += size

    async def read(self, size: int, left: Callable[[], bool], work: Callable[..., T], *given: Any) -> T:
        """What `work` makes of a body; `Gone` where its client has `left` before."""
        if size >= LONG:
            return await self.alone(left, work, *given)
        check_left(left)
        return work(*given)

    async def alone(self, left: Callable[[], bool], work: Callable[..., T], *given: Any) -> T:
        """The same on a thread, one at a time: a large body, or a picture, takes many times its size meanwhile."""
        await self._turn.acquire()
        try:
            check_left(left)
        except BaseException:
            self._turn.release()
            raise
        reading = asyncio.get_running_loop().run_in_executor(None, _bare, work, *given)
        reading.add_done_callback(self._read)
        try:
            return await asyncio.shield(reading)  # a thread goes on, whoever has left: until then it is its turn
        finally:
            del reading  # it, its fault and this frame would hold each other, and the body

    async def write(self, results: Mapping[str, np.ndarray], work: Callable[..., T], *given: Any) -> T:
        """What `work` makes of what a model gave: large results on a thread, one at a time, in room of their own."""
        size = sum(values.nbytes for values in results.values())
        self.take(WRITTEN * size, SMALL_MB * MB if size > SMALL else 0)
        try:
            return work(*given) if size < LONG else await self.alone(_stays, work, *given)
        finally:
            self.give(WRITTEN * size)

    def _read(self, reading: "asyncio.Future[Any]") -> None:
        self._turn.release()
        if not reading.cancelled():
            reading.exception()  # seen, though nobody may wait for it any more


def _bare(work: Callable[..., T], *given: Any) -> T:
    """The work; a fault without the frames it came from: they hold what was read, while the next one reads already."""
    try:
        return work(*given)
    except Refused as fault:
        fault.__context__ = None
        raise fault.with_traceback(None) from None


class Body:
    """The bytes of one request, which take room until it is answered."""

    def __init__(self, room: Room) -> None:
        self.content, self._room = bytearray(), room

    def __enter__(self) -> "Body":
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give(len(self.content))

    async def read(self, scope: Scope, receive: Receive, most: int, remedy: str) -> bytearray:
        """All of it, of at most `most` bytes, within BODY_S; `remedy`: what helps where it is larger."""
        for name, value in scope["headers"]:
            if name == b"content-encoding" and value != b"identity":
                raise Refused("a compressed body is not read: send it as it is", 415)
            if name == b"content-length" and _number(value) > most:
                raise _too_large(most, remedy)
        try:
            async with asyncio.timeout(BODY_S):
                while await self._more(receive, most, remedy):
                    pass
        except TimeoutError:
            raise Refused(f"the body did not arrive within {BODY_S:.0f} s", 408) from None
        return self.content

    async def _more(self, receive: Receive, most: int, remedy: str) -> bool:
        """Whether there is more behind the piece that has come."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("the client left before its body was whole", GONE)
        piece = message.get("body", b"")
        if len(self.content) + len(piece) > most:
            raise _too_large(most, remedy)
        self._take(piece)
        return bool(message.get("more_body", False))

    def _take(self, piece: bytes) -> None:
        kept = SMALL_MB * MB if len(self.content) + len(piece) > SMALL else 0
        self._room.take(len(piece), kept)
        self.content += piece


def _number(digits: bytes) -> int:
    """However many zeros stand before it: Python reads 4300 digits at most."""
    return int(digits.strip().lstrip(b"0") or b"0")


def _stays() -> bool:
    """Whoever has left is noticed when the answer is sent."""
    return False


def check_json(size: int) -> None:
    """Refused where so much JSON is no longer read."""
    if size > JSON_MB * MB:
        raise Refused(f"more than {JSON_MB} MB of JSON: {SMALLER_JSON}", 413)


def _too_large(most: int, remedy: str) -> Refused:
    return Refused(f"the body is larger than {most // MB} MB: {remedy}", 413)
