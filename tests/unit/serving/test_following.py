"""A published model is served, and the next champion after it, without a request that is lost."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from schwarz.errors import SchwarzError, WrongInput
from schwarz.publishing import Champion, fall_back, model_key, publish
from schwarz.serving import following
from schwarz.serving.following import Published
from schwarz.serving.following import Served as Running
from schwarz.serving.model import Model
from schwarz.serving.threads import Threads
from schwarz.storage import Store, open_store
from tests.pipeline.graphs import graph, model, table
from tests.unit.serving.served import Served, served
from tests.waiting import until

PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}
INFER = "/v2/models/four/infer"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SCHWARZ_STORE", str(tmp_path / "store"))
    return open_store(tmp_path / "store")


def promote(store: Store, tmp_path: Path, version: str) -> None:
    publish(store, "four", version, model(tmp_path / f"{version}.onnx", scale=float(version)))


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Served]:
    promote(store, tmp_path, "1")
    with served("four@champion") as one:
        yield one


def version(server: Served) -> str:
    return server.ask("GET", "/v2/models/four")[1]["versions"][0]


def test_a_new_champion_is_served_and_no_request_is_lost(store: Store, tmp_path: Path, server: Served) -> None:
    seen, stop = list[tuple[int, str]](), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            status, answer = server.ask("POST", INFER, {"inputs": [PIXELS]})
            seen.append((status, answer.get("model_version", "")))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for each in askers:
        each.start()
    try:
        promote(store, tmp_path, "2")
        until(lambda: "2" in {number for _, number in seen[-4:]})
        fall_back(store, "four")
        until(lambda: {number for _, number in seen[-4:]} == {"1"})
    finally:
        stop.set()
        for each in askers:
            each.join()
    assert {status for status, _ in seen} == {200}
    numbers = [number for _, number in seen]
    assert set(numbers) == {"1", "2"}
    assert server.ask("GET", "/v2/models/four/versions/2")[0] == 404


def test_the_numbers_are_those_of_the_version_that_is_named(store: Store, tmp_path: Path, server: Served) -> None:
    first = server.ask("POST", INFER, {"inputs": [PIXELS]})[1]["outputs"][0]["data"]
    promote(store, tmp_path, "2")
    until(lambda: version(server) == "2")
    answer = server.ask("POST", "/v2/models/four/versions/2/infer", {"inputs": [PIXELS]})[1]
    assert answer["model_version"] == "2"
    assert answer["outputs"][0]["data"] != first


def test_a_model_that_does_not_load_leaves_the_old_one_serving(store: Store, tmp_path: Path, server: Served) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    publish(store, "four", "2", broken)
    time.sleep(3)  # the pointer is looked at every two seconds
    told_at = followed_at(server)
    assert version(server) == "1"
    assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200
    time.sleep(2)
    assert followed_at(server) == told_at
    promote(store, tmp_path, "3")
    until(lambda: version(server) == "3")
    assert followed_at(server) > told_at
    server.process.terminate()
    told = server.process.communicate(timeout=30)[1]
    assert told.count("four: version 1 goes on being served: version 2 cannot be served: models/four/2/model.onnx") == 1
    assert "four: version 3 is served now, after 1" in told


def test_a_model_of_images_of_any_size_is_served_though_the_smallest_is_too_small(tmp_path: Path) -> None:
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1, f"h{name}", f"w{name}"]) for name in "xy"
    )
    kernel = helper.make_tensor("kernel", TensorProto.FLOAT, [1, 1, 3, 3], [1.0] * 9)
    file = graph(tmp_path / "any.onnx", [helper.make_node("Conv", ["x", "kernel"], ["y"])], [x], [y], [kernel])
    found = following.tried(Model(file, "any")).run({"x": np.ones((1, 1, 4, 4), np.float32)}, ["y"])
    assert found["y"].shape == (1, 1, 2, 2)


def looks(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """When a pointer to a model that does not load was read, while it was followed for so long."""
    promote(store, tmp_path, "1")
    known, model = (source := Published(store, "four")).newest("four")
    (broken := tmp_path / "broken.onnx").write_bytes(b"no model")
    publish(store, "four", "2", broken)
    found, there = list[float](), Published.there

    def seen(self: Published) -> Champion:
        found.append(time.monotonic())
        return there(self)

    async def follow() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(Running(model, Threads(workers, 1), (source, known)).follow(), seconds)

    monkeypatch.setattr(Published, "there", seen)  # the real one, and when it was asked
    with ThreadPoolExecutor(1) as workers:
        asyncio.run(follow())
    return found


def test_a_model_that_does_not_load_is_not_read_again_and_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "EVERY_S", 0.05)  # so that to be read every time would be seen within a second
    assert len(looks(store, tmp_path, monkeypatch, 1.5)) == 1


def test_it_is_read_again_when_its_time_has_come_and_no_later(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the other way round, so that the pause after a fault is told from the pause between two looks
    monkeypatch.setattr(following, "EVERY_S", 2.0)
    monkeypatch.setattr(following, "AGAIN_S", 0.1)
    first, second, *_ = looks(store, tmp_path, monkeypatch, 3.5)
    assert second - first < 1.5


def test_a_model_that_loads_and_cannot_answer_leaves_the_old_one_serving(
    store: Store, tmp_path: Path, server: Served
) -> None:
    publish(store, "four", "2", table(tmp_path / "empty.onnx", row=()))
    time.sleep(3)
    assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200
    server.process.terminate()
    assert (
        "version 1 goes on being served: version 2 cannot be served: model 'four' cannot compute"
        in server.process.communicate(timeout=30)[1]
    )


def test_a_pointer_that_is_no_more_leaves_the_old_one_serving(store: Store, tmp_path: Path, server: Served) -> None:
    (tmp_path / "store" / "models" / "four" / "champion.json").write_text("{")
    time.sleep(3)
    assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200
    (tmp_path / "store" / "models" / "four" / "champion.json").unlink()
    time.sleep(3)
    assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200


@pytest.mark.parametrize("name", ["four/1", "models:/four/1"])
def test_a_named_version_stays(store: Store, tmp_path: Path, name: str) -> None:
    promote(store, tmp_path, "1")
    with served(name) as server:
        promote(store, tmp_path, "2")
        time.sleep(3)
        assert version(server) == "1"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"damaged")])
def test_a_champion_whose_file_is_gone_or_damaged_is_told_with_what_mends_it(
    store: Store, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    promote(store, tmp_path, "1")
    spoil(tmp_path / "store" / "models" / "four" / "1" / "model.onnx")
    with pytest.raises(SchwarzError, match=r"four/1/model.onnx: is .*\. `schwarz promote four/1` publishes it again\."):
        Published(store, "four").newest("four")


def newest(name: str, store: Store) -> None:
    found = Published.parse(name, store)
    assert found is not None
    found.newest("four")


WRONG = {
    "four@champion": "no champion of 'four'. `schwarz promote four` makes one",
    "four/7": "version 7 of 'four' is not published. There are: none",
    "four@latest": "only the champion is published under a name of its own",
}


@pytest.mark.parametrize(("name", "said"), WRONG.items())
def test_what_is_not_published_is_named(store: Store, name: str, said: str) -> None:
    with pytest.raises(WrongInput, match=re.escape(said)):
        newest(name, store)


def test_a_champion_that_changes_while_it_is_read_is_read_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pointer leads to version 2, which a rollback takes away before it is read."""
    promote(store, tmp_path, "1")
    promote(store, tmp_path, "2")
    source, there = Published(store, "four"), Published.there

    def late(self: Published) -> object:
        found = there(self)
        if found.version == "2":
            fall_back(store, "four")
        return found

    monkeypatch.setattr(Published, "there", late)  # what another process does, at the worst moment
    found, loaded = source.newest("four")
    assert (found.version, loaded.version) == ("1", "1")
    assert store.find(model_key("four", "2")) is None
    assert json.loads((tmp_path / "store" / "models" / "four" / "champion.json").read_text())["version"] == "1"


def followed_at(server: Served) -> float:
    """When the pointer was read last, as Prometheus reads it."""
    with server.connect() as connection:
        connection.request("GET", "/metrics")
        told = connection.getresponse().read().decode()
    return float(re.findall(r'schwarz_champion_followed_seconds{name="four"} (\S+)', told)[0])


def test_it_is_told_when_the_pointer_was_read_last_and_that_it_is_followed_again(
    store: Store, tmp_path: Path, server: Served
) -> None:
    before = followed_at(server)
    assert abs(before - time.time()) < 60
    until(lambda: followed_at(server) > before)
    models = tmp_path / "store" / "models"
    models.rename(tmp_path / "away")
    time.sleep(3)
    away = followed_at(server)
    time.sleep(3)
    assert followed_at(server) == away
    (tmp_path / "away").rename(models)
    until(lambda: followed_at(server) > away)
    server.process.terminate()
    _, err = server.process.communicate(timeout=30)
    assert json.loads(err.splitlines()[-1])["message"] == "four: followed again, from version 1"
