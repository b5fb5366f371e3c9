"""Talks with a server at random until the time is over, or one is found that it does not answer as it should."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.machine.serving.fuzz.graph import NAME, three
from tests.machine.serving.fuzz.judge import Right, judged
from tests.machine.serving.fuzz.wire import HEADER, RIGHT, Answer, Sent, Talk, held, talks
from tests.unit.serving.served import Served, served

ROUND = 200
"""Talks of one seed."""
SHORT = 4096
NO_HTTP = "Invalid HTTP request received."


@dataclass
class Hunt:
    """A server, and what it was asked and answered so far."""

    server: Served
    model: onnxruntime.InferenceSession
    statuses: Counter[int] = field(default_factory=Counter)
    talks: int = 0

    def hold(self, talk: Talk) -> None:
        """Assert that every answer of one talk is as it should be."""
        self.talks += 1
        with socket.create_connection((self.server.host, self.server.port), timeout=30) as sock:
            for place, answer in enumerate(held(sock, talk)):
                self.statuses[answer.status] += 1
                if place < len(talk.requests):
                    self.check(talk.requests[place], answer)
                elif answer.status != 200:  # with a head or a border bent, what came last may be another right request
                    refusal(answer)

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
    statuses: dict[int, int]
    grown_mb: float
    """From the end of the first tenth of the time to the end."""


def hunted(folder: Path, seconds: float, first: int | None = None) -> Found:
    """Hunt for so long; `first`: the seed to begin with, which is what a failure says."""
    number = random.SystemRandom().randrange(2**32) if first is None else first
    with served(three(folder)) as server, logged(server) as lines:
        hunt, process = (
            Hunt(server, onnxruntime.InferenceSession(folder / f"{NAME}.onnx")),
            psutil.Process(server.process.pid),
        )
        began, warm = time.monotonic(), 0
        while (past := time.monotonic() - began) < seconds or not warm:
            _round(hunt, number)
            number += 1
            if not warm and past > seconds / 10:
                warm = process.memory_info().rss
        assert server.ask("GET", "/v2/health/ready") == (200, {"ready": True})
        grown = (process.memory_info().rss - warm) / 2**20
    assert [line for line in lines if orjson.loads(line)["message"] != NO_HTTP] == []
    return Found(hunt.talks, dict(hunt.statuses), grown)


def _round(hunt: Hunt, number: int) -> None:
    """The talks of one seed."""

    @seed(number)
    @settings(
        max_examples=ROUND, database=None, deadline=None, derandomize=False, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )  # fmt: skip
    @given(talks())
    def hold(talk: Talk) -> None:
        hunt.hold(talk)

    try:
        hold()
    except BaseException as fault:
        fault.add_note(f"Again: python -m benchmarks.fuzz 1 --seed {number}")
        raise


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
