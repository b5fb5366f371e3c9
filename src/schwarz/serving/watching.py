"""What an operator sees of a server: figures for Prometheus, and a line of JSON for what went wrong or was changed."""

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from schwarz.serving.following import Models

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TOGETHER = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
KINDS = {
    "infer": "infer", "ModelInfer": "infer", "predict": "predict", "metrics": "metrics",
    "ready": "health", "live": "health", "ModelReady": "health", "ServerReady": "health", "ServerLive": "health",
}  # fmt: skip
"""The last part of an address, and what kind of request it is: names of models are no labels, there may be any."""


class Figures:
    """What is counted."""

    def __init__(self, models: "Models") -> None:
        self._models, self._registry = models.served.values(), (registry := CollectorRegistry())
        self.requests = Counter("schwarz_requests", "Requests answered", ["kind", "status"], registry=registry)
        self.seconds = Histogram(
            "schwarz_request_seconds", "From the head of a request to the end of its answer", ["kind"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        waiting = Gauge("schwarz_waiting_images", "Images that wait to be computed", registry=registry)
        waiting.set_function(lambda: sum(each.batcher.waiting for each in self._models))
        images = Histogram("schwarz_images_together", "Images of one call", buckets=TOGETHER, registry=registry)
        self._version = Gauge("schwarz_model_version", "The version that is served", ["name"], registry=registry)
        self._followed_at = Gauge(
            "schwarz_champion_followed_seconds", "When the champion was served last", ["name"],
            registry=registry,
        )  # fmt: skip
        for each in self._models:
            each.on_call = images.observe
        self._counted = dict[tuple[str, int], tuple[Counter, Histogram]]()

    def answered(self, address: str, status: int, seconds: float) -> None:
        """Counts a request."""
        key = KINDS.get(address.rpartition("/")[2], "other"), status
        if key not in self._counted:  # to look one up by its labels takes longer than to count
            self._counted[key] = self.requests.labels(key[0], str(status)), self.seconds.labels(key[0])
        count, took = self._counted[key]
        count.inc()
        took.observe(seconds)

    def refused(self, status: int) -> None:
        """Counts what was refused before it was a request."""
        self.requests.labels("none", str(status)).inc()

    async def tell(self, _: Request) -> Response:
        """As Prometheus reads them."""
        for each in self._models:
            self._version.labels(each.batcher.model.name).set(float(each.batcher.model.version))
            if each.followed_at:
                self._followed_at.labels(each.batcher.model.name).set(each.followed_at)
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})


class Watched:
    """The application, every request to it counted: those that the guard refuses too."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self._app, self._figures = app, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            self._figures.answered(scope["path"], status, time.perf_counter() - began)


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {"time": when, "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(told).decode()


def log_lines() -> None:
    """Everything that is logged goes to stderr so, uvicorn's too."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
