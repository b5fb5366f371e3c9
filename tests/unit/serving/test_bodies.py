"""Room for what clients send: some is kept for small requests, and a turn that was given is given back."""

import asyncio

import pytest
from starlette.types import Message

from schwarz.serving.bodies import BODY_MB, MB, SMALL, SMALL_MB, Body, Room
from schwarz.serving.refused import GONE, Refused


def test_large_bodies_leave_room_for_small_ones() -> None:
    async def read(body: Body, size: int) -> int:
        async def receive() -> Message:
            return {"type": "http.request", "body": bytes(size), "more_body": False}

        return len(await body.read({"type": "http", "headers": []}, receive, BODY_MB * MB, "send less"))

    async def run() -> None:
        room = Room(SMALL_MB * MB + 3 * SMALL)
        with Body(room) as first, Body(room) as second, Body(room) as small:
            assert await read(first, 2 * SMALL) == 2 * SMALL
            with pytest.raises(Refused) as refused:
                await read(second, 2 * SMALL)
            assert refused.value.status == 429
            assert await read(small, SMALL) == SMALL
        assert room.left == SMALL_MB * MB + 3 * SMALL

    asyncio.run(run())


def test_who_leaves_before_its_turn_holds_nobody_up() -> None:
    async def run() -> None:
        room = Room()
        with pytest.raises(Refused) as gone:
            await room.alone(lambda: True, len, b"two")
        assert gone.value.status == GONE
        assert await asyncio.wait_for(room.alone(lambda: False, len, b"three"), 10) == 5

    asyncio.run(run())
