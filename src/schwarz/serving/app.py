"""The protocol's addresses over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from schwarz.serving.answers import failure, refusal, told
from schwarz.serving.batching import Batcher
from schwarz.serving.bodies import Room
from schwarz.serving.following import Models
from schwarz.serving.page import page
from schwarz.serving.predict import Predict
from schwarz.serving.refused import Refused
from schwarz.serving.straight import Straight
from schwarz.serving.watching import Figures

EXTENSIONS = ("binary_tensor_data",)


def application(models: Models, figures: Figures, room: Room) -> ASGIApp:
    """The ASGI application; beside it champions are followed, which may change what is served."""
    routes = Routes(models)

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
            *(Route(path, _posted, methods=["POST"]) for path in infer),  # for whoever comes by another method
            *Predict(models, room).routes(),
            *page(),
            Route("/metrics", figures.tell),
        ],
        exception_handlers={Refused: _refused, HTTPException: _no_route, Exception: _failed},
    )
    app.router.redirect_slashes = False  # another address is another address
    return Straight(app, models, room)


class Routes:
    """What each address answers."""

    def __init__(self, models: Models) -> None:
        self.models = models

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

    def named(self, request: Request) -> Batcher:
        """What computes the model, of the version, that the address names."""
        return self.models.named(request.path_params["name"], request.path_params.get("version"))


async def _posted(_: Request) -> Response:
    """`Straight` answers what is posted before any route is asked. Routes also take a line end behind an address."""
    raise HTTPException(404)


async def _refused(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, Refused)
    return refusal(fault)


async def _no_route(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    message = f"{request.method} {request.scope['path'][:200]}: {fault.detail}"
    return told({"error": message}, fault.status_code, dict(fault.headers or {}))


async def _failed(_: Request, fault: Exception) -> Response:
    return failure(fault)
