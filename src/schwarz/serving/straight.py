"""Requests for inference, which are nearly all: answered before any address is compared, and without what a framework
does for each."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from schwarz.serving.answers import failure, refusal
from schwarz.serving.bodies import BODY_MB, JSON_MB, MB, SMALLER, SMALLER_JSON, Body, Room, check_json
from schwarz.serving.following import Models
from schwarz.serving.inference import Answer, read, write
from schwarz.serving.refused import LEFT, Refused

INFER = re.compile("/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")
HEADER_LENGTH = b"inference-header-content-length"


class Straight:
    """The application, and before it what answers such requests."""

    def __init__(self, app: ASGIApp, models: Models, room: Room) -> None:
        self._app, self._models, self._room = app, models, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = INFER.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._infer(asked[1], asked[2], scope, receive)
        except Refused as fault:
            refused = refusal(fault)
        except Exception as fault:
            await failure(fault)(scope, receive, send)
            raise  # for the log
        else:
            await _send(answer, send)
            return
        await refused(scope, receive, send)  # the fault is gone by now: it holds the body, whose room others have

    async def _infer(self, name: str, version: str | None, scope: Scope, receive: Receive) -> Answer:
        batcher, header = self._models.named(name, version), header_length(scope)
        left = scope["extensions"][LEFT]
        batcher.check()  # before its body is read: who is told to come back is told at once
        with Body(self._room) as body:
            most, remedy = (JSON_MB, SMALLER_JSON) if header is None else (BODY_MB, SMALLER)
            content = await body.read(scope, receive, most * MB, remedy)
            check_json(len(content) if header is None else header)
            asked = await self._room.read(len(content), left, read, batcher.model, content, header)
            results = await batcher.run(asked, left)
        return await self._room.write(results, write, batcher.model, asked, results)


def header_length(scope: Scope) -> int | None:
    """How many bytes of the body are JSON, where tensors stand behind it as bytes."""
    every = [value for name, value in scope["headers"] if name == HEADER_LENGTH]
    if not every:
        return None
    given = b", ".join(every).strip()  # the parser leaves spaces behind a value
    if not (given.isdigit() and len(given) < 12):
        raise Refused(f"Inference-Header-Content-Length: {given[:40].decode('latin-1')!r} is no number of bytes")
    return int(given)


async def _send(answer: Answer, send: Send) -> None:
    headers = [(b"content-length", str(len(answer.content)).encode())]
    if answer.header is None:
        headers.append((b"content-type", b"application/json"))
    else:
        headers += [(b"content-type", b"application/octet-stream"), (HEADER_LENGTH, str(answer.header).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
