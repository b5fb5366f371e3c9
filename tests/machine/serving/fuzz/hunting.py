"""Talks with a server at random until the time is over, or one is found that it does not answer as it should."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc
import numpy as np
import onnxruntime
import orjson
import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from schwarz.serving.rpc.messages import SERVICE
from tests.machine.serving.fuzz.calls import calls, judged_call, outputs
from tests.machine.serving.fuzz.graph import three
from tests.machine.serving.fuzz.judge import Right, judged
from tests.machine.serving.fuzz.pictures import Picture, pictures
from tests.machine.serving.fuzz.wire import HEADER, RIGHT, Answer, Sent, Talk, held, talks
from tests.pipeline.graphs import divided
from tests.unit.serving.served import Served, served

T = TypeVar("T")
PICTURES = "halves"
REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED)
ROUND = 200
"""Talks of one seed."""
SHORT = 4096


@dataclass
class Hunt:
    """A server, and what it was asked and answered so far."""

    server: Served
    model: onnxruntime.InferenceSession
    infer: grpc.UnaryUnaryMultiCallable
    """Over gRPC."""
    statuses: Counter[str] = field(default_factory=Counter)
    talks: int = 0

    def hold(self, talk: Talk) -> None:
        """Assert that every answer of one talk is as it should be."""
        self.talks += 1
        with socket.create_connection((self.server.host, self.server.port), timeout=30) as sock:
            for place, answer in enumerate(held(sock, talk)):
                self.statuses[str(answer.status)] += 1
                if place < len(talk.requests):
                    self.check(talk.requests[place], answer)
                elif answer.status != 200:  # with a head or a border bent, what came last may be another right request
                    refusal(answer)

    def call(self, content: bytes) -> None:
        """The same of a message over gRPC."""
        self.talks += 1
        asked, call = judged_call(content), self.infer.future(content, timeout=30)
        self.statuses[call.code().name] += 1
        if asked is None:
            assert call.code() in REFUSALS, call
            assert len(call.details()) < SHORT
            return
        assert call.code() == grpc.StatusCode.OK, call
        found = outputs(call.result(), asked)
        assert list(found) == list(asked.outputs)
        expected = map(np.asarray, self.model.run(list(asked.outputs), dict(asked.inputs)))
        assert all(np.array_equal(found[name], each) for name, each in zip(asked.outputs, expected, strict=True))

    def show(self, picture: Picture) -> None:
        """And of a picture."""
        self.talks += 1
        status, told = self.server.ask("POST", f"/v1/models/{PICTURES}/predict{picture.query}", picture.content)
        self.statuses[str(status)] += 1
        if status == 200:
            assert abs(sum(told["probabilities"]) - 1) < 1e-5
        else:
            assert not picture.right, told
            assert 400 <= status < 500, told
            assert list(told) == ["error"]
            assert len(told["error"]) < SHORT

    def check(self, sent: Sent, answer: Answer) -> None:
        """What is right is answered with onnxruntime's numbers, what is wrong is refused."""
        asked = judged(sent.body.content, sent.body.header)
        if sent.path not in RIGHT or asked is None:
            refusal(answer)
        else:
            assert answer.status == 200, answer.content
            self.same(asked, answer)

    def same(self, asked: Right, answer: Answer) -> None:
        size = int(answer.headers[HEADER]) if any(asked.outputs.values()) else len(answer.content)
        told, behind = orjson.loads(answer.content[:size]), answer.content[size:]
        assert told.get("id") == asked.id
        assert [each["name"] for each in told["outputs"]] == list(asked.outputs)
        expected = self.model.run(list(asked.outputs), dict(asked.inputs))
        for each, values in zip(told["outputs"], map(np.asarray, expected), strict=True):
            if asked.outputs[each["name"]]:
                length = each["parameters"]["binary_data_size"]
                found, behind = np.frombuffer(behind[:length], values.dtype), behind[length:]
            else:
                found = np.array(each["data"], values.dtype)
            assert np.array_equal(found.reshape(each["shape"]), values), each["name"]
        assert not behind


def refusal(answer: Answer) -> None:
    """In the protocol's form, and short."""
    assert 400 <= answer.status < 500, answer
    assert list(answer.json()) == ["error"]
    assert len(answer.content) < SHORT


@dataclass(frozen=True)
class Found:
    """What a hunt that found nothing wrong can tell."""

    talks: int
    statuses: dict[str, int]
    grown_mb: float
    """From the end of the first tenth of the time to the end."""


def hunted(folder: Path, seconds: float, first: int | None = None) -> Found:
    """Hunt for so long; `first`: the seed to begin with, which is what a failure says."""
    number = random.SystemRandom().randrange(2**32) if first is None else first
    files = three(folder), divided(folder / f"{PICTURES}.onnx")
    with (
        served(files[0], str(files[1]), "--grpc-port", "0") as server,
        logged(server) as lines,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        hunt, process = Hunt(server, onnxruntime.InferenceSession(files[0]), infer), psutil.Process(server.process.pid)
        began, warm = time.monotonic(), 0
        while (past := time.monotonic() - began) < seconds or not warm:
            _round(hunt, number)
            number += 1
            if not warm and past > seconds / 10:
                warm = process.memory_info().rss
        assert server.ask("GET", "/v2/health/ready") == (200, {"ready": True})
        grown = (process.memory_info().rss - warm) / 2**20
    assert lines == []
    return Found(hunt.talks, dict(hunt.statuses), grown)


def _round(hunt: Hunt, number: int) -> None:
    """The talks, calls and pictures of one seed."""
    try:
        _held(talks(), hunt.hold, ROUND, number)
        _held(calls(), hunt.call, ROUND // 2, number)
        _held(pictures(), hunt.show, ROUND // 2, number)
    except BaseException as fault:
        fault.add_note(f"Again: python -m benchmarks.fuzz 1 --seed {number}")
        raise


def _held(strategy: SearchStrategy[T], hold: Callable[[T], None], count: int, number: int) -> None:
    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, derandomize=False, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )  # fmt: skip
    @given(strategy)
    def all_of_it(one: T) -> None:
        hold(one)

    all_of_it()


@contextmanager
def logged(server: Served) -> Iterator[list[str]]:
    """What a server writes to stderr, to its end: read as it comes, for a full pipe would stop it."""
    assert server.process.stderr is not None
    lines = list[str]()
    reader = threading.Thread(target=lines.extend, args=[server.process.stderr])
    reader.start()
    try:
        yield lines
    finally:
        server.process.terminate()
        reader.join(30)
