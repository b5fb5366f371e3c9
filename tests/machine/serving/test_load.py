"""Under load, with a champion that changes, a server that is told to end and a queue that is full: every request is
answered or refused, none is lost, and the figures of the server are those of its clients."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from schwarz.files import write_atomic
from schwarz.publishing import fall_back, publish
from schwarz.storage import open_store
from tests.machine.serving.load import Account, asked
from tests.pipeline.graphs import model
from tests.unit.serving.served import Served, served
from tests.unit.serving.test_watching import figures

T = TypeVar("T")
IMAGES = np.random.default_rng(0).integers(0, 5, (3, 1, 2, 2), np.uint8)


def wire(name: str, images: np.ndarray = IMAGES) -> bytes:
    tensor = {"name": "images", "datatype": "UINT8", "shape": list(images.shape), "data": images.ravel().tolist()}
    body = json.dumps({"inputs": [tensor]}).encode()
    return (
        f"POST /v2/models/{name}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def run(asking: Coroutine[Any, Any, T]) -> T:
    """On a thread of its own: in this one Playwright's loop may be running since the tests in the browser."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asking).result()


def for_s(seconds: float) -> Callable[[], bool]:
    began = time.monotonic()
    return lambda: time.monotonic() - began > seconds


def counted(server: Served, status: int) -> float:
    return figures(server).get(f'schwarz_requests_total{{kind="infer",status="{status}"}}', 0)


def test_a_champion_that_changes_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer has the numbers of the version that it names."""
    monkeypatch.setenv("SCHWARZ_STORE", str(tmp_path / "store"))
    store, expected = open_store(tmp_path / "store"), dict[str, np.ndarray]()
    for version in ("2", "1"):
        file = model(tmp_path / f"{version}.onnx", scale=float(version))
        expected[version] = np.asarray(onnxruntime.InferenceSession(file).run(None, {"images": IMAGES})[0]).ravel()
        publish(store, "four", version, file)

    async def change(server: Served) -> tuple[Account, ...]:
        asking = [asked(server, wire("four"), 16, for_s(9), lasting) for lasting in (True, False)]
        tasks = [asyncio.create_task(each) for each in asking]
        for step in (lambda: publish(store, "four", "2", tmp_path / "2.onnx"), lambda: fall_back(store, "four")):
            await asyncio.sleep(3)
            await asyncio.to_thread(step)
        return tuple(await asyncio.gather(*tasks))

    with served("four@champion") as server:
        accounts = run(change(server))
        answers = [answer for account in accounts for answer in account.answers]
        assert counted(server, 200) == len(answers)
        assert figures(server)["schwarz_images_together_sum"] == len(answers) * len(IMAGES)
    assert [(each.refused, each.lost) for each in accounts] == [(0, [])] * 2
    assert {answer.status for answer in answers} == {200}
    versions = [answer.told["model_version"] for answer in answers]
    assert set(versions) == {"1", "2"}
    for answer, version in zip(answers, versions, strict=True):
        assert np.array_equal(np.array(answer.told["outputs"][0]["data"], np.float32), expected[version])


def test_a_server_that_is_told_to_end_answers_all_that_reached_it(tmp_path: Path) -> None:
    async def end(server: Served) -> tuple[Account, ...]:
        asking = [
            asked(server, wire("four"), clients, for_s(60), lasting) for clients, lasting in ((32, True), (8, False))
        ]
        tasks = [asyncio.create_task(each) for each in asking]
        await asyncio.sleep(2)
        server.process.send_signal(signal.SIGTERM)
        return tuple(await asyncio.gather(*tasks))

    with served(model(tmp_path / "four.onnx")) as server:
        accounts = run(end(server))
        assert server.process.wait(timeout=20) == 0
        assert server.process.communicate() == ("", "")
    for account, clients in zip(accounts, (32, 8), strict=True):
        assert {answer.status for answer in account.answers} == {200}
        assert (account.refused, account.lost) == (clients, [])


def slow(path: Path) -> Path:
    """A graph of the same form that takes some milliseconds for an image."""
    size, layers = 2048, 3
    weights = [
        np.ones((4, size), np.float32),
        *[np.ones((size, size), np.float32)] * layers,
        np.ones((size, 4), np.float32),
    ]
    held = [numpy_helper.from_array(each, f"w{i}") for i, each in enumerate(weights)]
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["x0"]),
        *(helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(len(weights))),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, 2, 2])
    found = helper.make_tensor_value_info(f"x{len(weights)}", TensorProto.FLOAT, ["batch", 4])
    graph = helper.make_graph(nodes, "slow", [images], [found], held)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    write_atomic(path, whole.SerializeToString())
    return path


async def hasty(server: Served, head: bytes, stop: Callable[[], bool]) -> list[bytes]:
    """The first lines of what is answered to heads that no body follows, where that is soon."""
    lines = list[bytes]()
    while not stop():
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(head)
        with suppress(TimeoutError):
            lines.append(await asyncio.wait_for(reader.readline(), 3))
        writer.close()
    return lines


def test_a_full_queue_turns_away_at_once_and_counts(tmp_path: Path) -> None:
    """Before the body is there, too."""
    request = wire("slow", np.ones((128, 1, 2, 2), np.uint8))  # four of these fill it

    async def fill(server: Served) -> tuple[Account, list[bytes]]:
        head = request[: request.index(b"{")]
        return await asyncio.gather(asked(server, request, 24, for_s(8)), hasty(server, head, for_s(6)))

    with served(slow(tmp_path / "slow.onnx")) as server:
        account, lines = run(fill(server))
        assert (account.refused, account.lost) == (0, [])
        assert {answer.status for answer in account.answers} == {200, 429}
        assert set(lines) == {b"HTTP/1.1 429 Too Many Requests\r\n"}
        assert counted(server, 200) == account.count(200)
        assert counted(server, 429) == account.count(429) + len(lines)
        assert figures(server)["schwarz_images_together_sum"] == account.count(200) * 128
        assert figures(server)["schwarz_waiting_images"] == 0
    turned_away = [answer for answer in account.answers if answer.status == 429]
    assert {(answer.headers["retry-after"], *answer.told) for answer in turned_away} == {("1", "error")}
    took = {status: median(a.seconds for a in account.answers if a.status == status) for status in (200, 429)}
    assert took[429] < took[200] / 4
