"""The protocol's addresses over HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from schwarz.serving.answers import told
from schwarz.serving.batching import RETRY_S, Batcher
from schwarz.serving.bodies import BODY_MB, JSON_MB, MB, SMALLER, SMALLER_JSON, Body, Room, check_json
from schwarz.serving.following import Models
from schwarz.serving.inference import read, write
from schwarz.serving.page import page
from schwarz.serving.predict import Predict
from schwarz.serving.refused import LEFT, Refused
from schwarz.serving.watching import Figures

BINARY = "Inference-Header-Content-Length"
INFER = re.compile("/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer")
EXTENSIONS = ("binary_tensor_data",)


def application(models: Models, figures: Figures, room: Room) -> Starlette:
    """The ASGI application; beside it champions are followed, which may change what is served."""
    routes = Routes(models, room)

    @asynccontextmanager
    async def beside(_: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(models.follow())
        yield
        following.cancel()

    one = "/v2/models/{name}"
    paths = {
        "/v2": routes.server, "/v2/health/live": routes.live, "/v2/health/ready": routes.ready,
        one: routes.metadata, one + "/ready": routes.model_ready,
        one + "/versions/{version}": routes.metadata, one + "/versions/{version}/ready": routes.model_ready,
    }  # fmt: skip
    infer = [one + "/infer", one + "/versions/{version}/infer"]
    app = Starlette(
        lifespan=beside,
        routes=[
            *(Route(path, handler) for path, handler in paths.items()),
            *(Route(path, routes.infer, methods=["POST"]) for path in infer),  # for whoever comes by another method
            *Predict(models, room).routes(),
            *page(),
            Route("/metrics", figures.tell),
        ],
        middleware=[Middleware(Straight, routes.infer)],
        exception_handlers={Refused: _refused, HTTPException: _no_route, Exception: _failed},
    )
    app.router.redirect_slashes = False  # another address is another address
    return app


class Straight:
    """Requests for inference, which are nearly all, answered before any address is compared: a tenth of what one
    costs."""

    def __init__(self, app: ASGIApp, infer: Callable[[Request], Awaitable[Response]]) -> None:
        self._app, self._infer = app, infer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = INFER.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        scope["path_params"] = asked.groupdict()
        request = Request(scope, receive)
        try:
            answer = await self._infer(request)
        except Refused as fault:
            answer = await _refused(request, fault)
        await answer(scope, receive, send)


class Routes:
    """What each address answers."""

    def __init__(self, models: Models, room: Room) -> None:
        self.models, self.room = models, room

    async def server(self, _: Request) -> Response:
        return told({"name": "schwarz", "version": version("schwarz"), "extensions": EXTENSIONS})

    async def live(self, _: Request) -> Response:
        return told({"live": True})

    async def ready(self, _: Request) -> Response:
        return told({"ready": True})

    async def metadata(self, request: Request) -> Response:
        return told(self.named(request).model.metadata())

    async def model_ready(self, request: Request) -> Response:
        return told({"name": self.named(request).model.name, "ready": True})

    async def infer(self, request: Request) -> Response:
        batcher, header = self.named(request), header_length(request)
        left = request.scope["extensions"][LEFT]
        batcher.check()  # before its body is read: who is told to come back is told at once
        with Body(self.room) as body:
            most, remedy = (JSON_MB, SMALLER_JSON) if header is None else (BODY_MB, SMALLER)
            content = await body.read(request, most * MB, remedy)
            check_json(len(content) if header is None else header)
            asked = await self.room.read(len(content), left, read, batcher.model, content, header)
            results = await batcher.run(asked, left)
        found = await self.room.write(results, write, batcher.model, asked, results)
        if found.header is None:
            return Response(found.content, media_type="application/json")
        return Response(found.content, 200, {BINARY: str(found.header)}, "application/octet-stream")

    def named(self, request: Request) -> Batcher:
        """What computes the model, of the version, that the address names."""
        return self.models.named(request.path_params["name"], request.path_params.get("version"))


def header_length(request: Request) -> int | None:
    """How many bytes of the body are JSON, where tensors stand behind it as bytes."""
    every = request.headers.getlist(BINARY)
    if not every:
        return None
    given = ", ".join(every).strip()  # the parser leaves spaces behind a value
    if not (given.isascii() and given.isdigit() and len(given) < 12):
        raise Refused(f"{BINARY}: {given[:40]!r} is no number of bytes")
    return int(given)


async def _refused(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, Refused)
    headers = {"retry-after": str(RETRY_S)} if fault.status == 429 else {}
    return told({"error": fault.message}, fault.status, headers)


async def _no_route(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    message = f"{request.method} {request.scope['path'][:200]}: {fault.detail}"
    return told({"error": message}, fault.status_code, dict(fault.headers or {}))


async def _failed(_: Request, fault: Exception) -> Response:
    return told({"error": f"{type(fault).__name__}: the log of the server has the cause"}, 500)
