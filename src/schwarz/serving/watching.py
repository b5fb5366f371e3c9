"""What an operator sees of a server: figures for Prometheus, and a line of JSON for what went wrong or was changed."""

import logging
import time
from typing import TYPE_CHECKING

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from schwarz.serving.following import Models

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TOGETHER = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
KINDS = {"infer": "infer", "predict": "predict", "metrics": "metrics", "ready": "health", "live": "health"}
"""The last part of an address, and what kind of request it is: names of models are no labels, there may be any."""


class Watched:
    """The application, watched."""

    def __init__(self, app: ASGIApp, models: "Models") -> None:
        self._app, self._models, self.registry = app, models.served.values(), (registry := CollectorRegistry())
        self._requests = Counter("schwarz_requests", "Requests answered", ["kind", "status"], registry=registry)
        self._seconds = Histogram(
            "schwarz_request_seconds", "From the head of a request to the end of its answer", ["kind"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._waiting = Gauge("schwarz_waiting_images", "Images that wait to be computed", registry=registry)
        self._waiting.set_function(lambda: sum(each.batcher.waiting for each in self._models))
        self._images = Histogram("schwarz_images_together", "Images of one call", buckets=TOGETHER, registry=registry)
        self._version = Gauge("schwarz_model_version", "The version that is served", ["name"], registry=registry)
        for each in self._models:
            each.on_call = self._images.observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/metrics" and scope["method"] == "GET":
            await self._tell(send)
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
            kind = KINDS.get(scope["path"].rpartition("/")[2], "other")
            self._requests.labels(kind, str(status)).inc()
            self._seconds.labels(kind).observe(time.perf_counter() - began)

    async def _tell(self, send: Send) -> None:
        for each in self._models:
            self._version.labels(each.batcher.model.name).set(float(each.batcher.model.version))
        content = generate_latest(self.registry)
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"time": record.created, "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(told).decode()


def log_lines() -> None:
    """Everything that is logged goes to stderr so, uvicorn's too."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
