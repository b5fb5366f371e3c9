"""Pictures for those who have no tensors: `/v1/predict` takes a file, `/v1/models/NAME` says how it is cut and
named."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schwarz.described import DECISION, INPUT, VOTES, Description
from schwarz.serving.answers import told
from schwarz.serving.batching import Busy, Results
from schwarz.serving.bodies import MB, Body, Room
from schwarz.serving.following import Models
from schwarz.serving.inference import Inference, finite
from schwarz.serving.model import Model
from schwarz.serving.refused import LEFT, Refused

PICTURE_MB = 16
"""The largest file."""
WAITING = 32
"""Pictures that may wait to be decoded."""
MISSING = "missing"


class Predict:
    """What the addresses answer."""

    def __init__(self, models: Models, room: Room) -> None:
        self._models, self._room, self._waiting = models, room, 0

    def routes(self) -> list[Route]:
        predict = ("/v1/models/{name}/predict", "/v1/predict")
        return [
            Route("/v1/models", self.models),
            Route("/v1/models/{name}", self.model),
            *(Route(path, self.predict, methods=["POST"]) for path in predict),
        ]

    async def models(self, _: Request) -> Response:
        return told({"models": list(self._models.served)})

    async def model(self, request: Request) -> Response:
        """What a page needs to know."""
        model = self._models.named(request.path_params["name"]).model
        return told(await asyncio.to_thread(_about, model, _described(model)))

    async def predict(self, request: Request) -> Response:
        """The classes of a picture, and what each local network says of its box."""
        name = request.path_params.get("name")
        batcher = self._models.first() if name is None else self._models.named(name)
        about = _described(batcher.model)
        missing = _missing(request, len(about.boxes))
        batcher.check()
        if self._waiting >= WAITING:
            raise Busy(self._waiting)
        left = request.scope["extensions"][LEFT]
        with Body(self._room) as body:
            content = await body.read(request.scope, request.receive, PICTURE_MB * MB, "send a smaller picture")
            image = await self._decoded(content, about, left)
        given = about.without(image, missing)[None]
        asked = Inference(None, {INPUT: given}, dict.fromkeys(batcher.model.outputs, False))
        results = await batcher.run(asked, left)
        return told(_answer(batcher.model, about, missing, results))

    async def _decoded(self, content: bytearray, about: Description, left: Callable[[], bool]) -> np.ndarray:
        if self._waiting >= WAITING:  # more may have come while the body was read
            raise Busy(self._waiting)
        self._waiting += 1
        try:
            return await self._room.alone(left, _pixels, content, about.blank.shape)
        finally:
            self._waiting -= 1


def _described(model: Model) -> Description:
    """What the model says of itself, where it takes pictures."""
    about = model.description
    if about is None:
        raise Refused(
            f"model {model.name!r} names neither classes nor boxes: ask it by /v2/models/{model.name}/infer", 404
        )
    if len(about.blank.shape) != 3 or len(about.blank) not in (1, 3):
        shape = list(about.blank.shape)
        raise Refused(
            f"model {model.name!r} takes images of {shape}, not pictures: ask it by /v2/models/{model.name}/infer", 404
        )
    return about


def _pixels(content: bytes | bytearray, shape: tuple[int, ...]) -> np.ndarray:
    from schwarz.serving.pictures import pixels  # Pillow is loaded where somebody has a picture

    return pixels(content, shape)


def _missing(request: Request, boxes: int) -> list[int]:
    """The boxes of `?missing=0,2`."""
    for name in request.query_params:
        if name != MISSING:
            raise Refused(f"unknown parameter {name[:80]!r}: there is {MISSING!r}, as in ?{MISSING}=0,2")
    asked = ",".join(request.query_params.getlist(MISSING))
    numbers, known = [number for number in asked.split(",") if number], {str(k): k for k in range(boxes)}
    found = sorted({known.get(number, boxes) for number in numbers})
    if found and found[-1] == boxes:
        raise Refused(f"{MISSING}={asked[:80]}: give numbers of boxes, 0 to {boxes - 1}, with commas between them")
    return found


def _about(model: Model, about: Description) -> dict[str, Any]:
    from schwarz.serving.pictures import png

    return {
        "name": model.name,
        "version": model.version,
        "strategy": about.strategy,
        "classes": about.classes,
        "height": about.blank.shape[1],
        "width": about.blank.shape[2],
        "boxes": about.places,
        "blank": about.blank.mean((1, 2)).round().tolist(),
        "votes": VOTES in model.outputs,
        "samples": [
            {"class": about.classes[y], "png": base64.b64encode(png(image)).decode()}
            for image, y in zip(about.samples, about.sample_classes, strict=True)
        ],
    }


def _answer(model: Model, about: Description, missing: list[int], results: Results) -> dict[str, Any]:
    finite(model, results)
    (decision,), votes = results[DECISION], results.get(VOTES)
    answer = {
        "model_name": model.name,
        "model_version": model.version,
        **_named(decision, about.classes),
        "classes": about.classes,
        "missing": missing,
    }
    return answer if votes is None else {**answer, "boxes": [_named(vote, about.classes) for vote in votes[0]]}


def _named(probabilities: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    surest = int(probabilities.argmax())
    return {"class": classes[surest], "probability": probabilities[surest], "probabilities": probabilities}
