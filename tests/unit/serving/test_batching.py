"""Requests that wait are computed together, each gets its own, and too many are told to come back."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from schwarz.serving import batching, quick
from schwarz.serving.batching import Batcher, Busy
from schwarz.serving.inference import Inference
from schwarz.serving.model import Model
from schwarz.serving.refused import GONE, Refused
from schwarz.serving.threads import Threads
from tests.pipeline.graphs import model, scaled, table, wide


class Held(Model):
    """A model whose calls wait until they are let go, and are counted."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        self.go, self.calls = threading.Event(), list[int]()

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.go.wait(10)
        self.calls.append(max(len(values) for values in inputs.values() if values.ndim))
        return super().run(inputs, outputs)


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(model(tmp_path / "four.onnx"), "four")


def images(n: int, seed: int = 0) -> Inference:
    x = np.random.default_rng(seed).integers(0, 9, (n, 1, 2, 2), np.uint8)
    return Inference(None, {"images": x}, {"probabilities": False})


def together(held: Model, asked: list[Inference], slots: int = 1) -> list[dict[str, np.ndarray] | BaseException]:
    """All of them at once, the first being computed while the others arrive."""

    async def run() -> list[dict[str, np.ndarray] | BaseException]:
        with ThreadPoolExecutor(slots) as workers:
            batcher = Batcher(held, Threads(workers, slots))
            tasks = [asyncio.create_task(batcher.run(each)) for each in asked]
            await asyncio.sleep(0.05)
            if isinstance(held, Held):
                held.go.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(run())


def test_each_gets_its_own_answer_of_one_call(held: Held) -> None:
    asked = [images(n, seed) for seed, n in enumerate((1, 2, 1, 5))]
    found = together(held, asked)
    assert held.calls == [1, 8]  # the first is not held back, the others are one call
    for each, answer in zip(asked, found, strict=True):
        assert isinstance(answer, dict)
        alone = held.run(each.inputs, ("probabilities",))
        assert np.array_equal(answer["probabilities"], alone["probabilities"])


def test_no_call_has_more_than_its_share(held: Held) -> None:
    """One that asks of more is answered by several, in one turn."""
    asked = [images(1), images(40), images(20), images(40), images(200), images(1)]
    found = together(held, asked)
    assert held.calls == [1, 60, 40, 64, 64, 64, 8, 1]
    assert isinstance(found[4], dict)
    alone = Model.run(held, asked[4].inputs, ("probabilities",))
    assert np.allclose(found[4]["probabilities"], alone["probabilities"], atol=1e-6)


def test_large_images_are_computed_few_at_a_time(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "VALUES", 12)  # three images of four values
    together(held, [images(8)])
    assert held.calls == [3, 3, 2]


def test_large_images_are_not_put_together_either(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "VALUES", 12)  # three images: a million values are no number for a test
    together(held, [images(1), images(2), images(2), images(1), images(3)])
    assert held.calls == [1, 2, 3, 3]


def test_large_results_are_computed_few_at_a_time(tmp_path: Path) -> None:
    """However small what is asked: of half a megabyte for each image, eight make a call."""
    held = Held(wide(tmp_path / "wide.onnx", 2**17), "wide")
    asked = [Inference(None, {"x": np.full((n, 1), n, np.uint8)}, {"y": False}) for n in (1, 4, 4, 4, 20)]
    found = together(held, asked)
    assert held.calls == [1, 8, 4, 8, 8, 4]
    assert [(each["y"].shape, each["y"].mean()) for each in found if isinstance(each, dict)] == [
        ((n, 2**17), n) for n in (1, 4, 4, 4, 20)
    ]


def test_large_results_that_nobody_asks_for_part_no_requests(tmp_path: Path) -> None:
    """But they do once somebody does: whoever is computed with it waits for them too."""
    held = Held(wide(tmp_path / "wide.onnx", 2**17), "wide")
    wanted = [("z", 1), ("z", 4), ("z", 4), ("y", 4), ("z", 6), ("z", 6), ("z", 20)]
    asked = [Inference(None, {"x": np.zeros((n, 1), np.uint8)}, {name: False}) for name, n in wanted]
    together(held, asked)
    assert held.calls == [1, 8, 4, 32]


def test_images_of_another_size_are_another_call(held: Held) -> None:
    """They cannot be computed together, and this model takes one size alone."""
    other = Inference(None, {"images": np.zeros((1, 1, 4, 1), np.uint8)}, {"probabilities": False})
    found = together(held, [images(1), images(1), other, images(1)])
    assert held.calls == [1, 1, 1, 1]
    assert [isinstance(each, dict) for each in found] == [True, True, False, True]


@pytest.mark.parametrize("rows", ["batch", 100])
def test_requests_that_cannot_be_computed_together_are_computed_one_by_one(tmp_path: Path, rows: int | str) -> None:
    """Each whole, however many rows it has: they may be no images."""
    held, x = Held(scaled(tmp_path / "scaled.onnx", rows), "scaled"), np.ones((100, 2), np.float32)
    asked = [Inference(None, {"s": np.array(s, np.float32), "x": x}, {"y": False}) for s in (2, 3, 4)]
    found = together(held, asked)
    assert [each["y"].mean() for each in found if isinstance(each, dict)] == [2, 3, 4]
    assert held.calls == [100, 100, 100]


def test_two_calls_at_once_where_two_threads_are(held: Held) -> None:
    together(held, [images(1), images(1), images(1), images(1)], slots=2)
    assert sorted(held.calls) == [1, 1, 2]


def test_models_share_the_threads_and_wait_for_them_in_turn(tmp_path: Path) -> None:
    """What waits is counted as waiting, may grow, and who leaves meanwhile is not computed; no model waits for ever
    because another is asked more."""
    one, other = (Held(model(tmp_path / f"{name}.onnx"), name) for name in ("one", "other"))
    one.calls = other.calls = order = list[int]()

    async def run() -> list[object]:
        with ThreadPoolExecutor(1) as workers:
            threads = Threads(workers, 1)
            asked, others = Batcher(one, threads), Batcher(other, threads)
            tasks = [asyncio.create_task(asked.run(images(n))) for n in (60, 61, 62, 63)]
            tasks += [asyncio.create_task(others.run(images(n), lambda n=n: n == 7)) for n in (1, 7, 1)]
            await asyncio.sleep(0.05)
            assert (asked.waiting, others.waiting) == (61 + 62 + 63, 9)
            one.go.set()
            other.go.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(run())
    assert order == [60, 61, 2, 62, 63]
    assert [isinstance(each, dict) for each in found] == [True] * 5 + [False, True]


def test_who_comes_when_too_many_wait_is_told_to_come_back(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "ROOM", 4)  # five hundred are no number for a test
    found = together(held, [images(1), images(2), images(2), images(1)])
    assert isinstance(found[3], Busy)
    assert found[3].status == 429
    assert all(isinstance(each, dict) for each in found[:3])


def test_a_large_request_is_taken_when_nobody_waits(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "ROOM", 4)
    assert isinstance(together(held, [images(50)])[0], dict)


def test_who_has_left_is_not_computed(held: Held) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as workers:
            batcher = Batcher(held, Threads(workers, 1))
            first, gone, last = (asyncio.create_task(batcher.run(images(n))) for n in (1, 7, 2))
            await asyncio.sleep(0.05)
            gone.cancel()
            await asyncio.sleep(0)
            held.go.set()
            await asyncio.gather(first, last)
            assert batcher.waiting == 0

    asyncio.run(run())
    assert held.calls == [1, 2]


def test_who_leaves_in_the_moment_its_turn_comes_is_not_computed(held: Held) -> None:
    """Its own task does not know of it yet."""

    async def run() -> None:
        with ThreadPoolExecutor(1) as workers:
            batcher = Batcher(held, Threads(workers, 1))
            first, gone, last = (asyncio.create_task(batcher.run(images(n))) for n in (1, 7, 2))
            await asyncio.sleep(0.05)
            held.go.set()
            workers.submit(int).result()  # the first is computed; what follows on the loop has not begun
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.gather(first, last)
            assert batcher.waiting == 0

    asyncio.run(run())
    assert held.calls == [1, 2]


def test_who_leaves_while_it_is_computed_takes_no_answer_from_others(held: Held) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as workers:
            batcher = Batcher(held, Threads(workers, 1))
            first = asyncio.create_task(batcher.run(images(1)))
            gone, last = (asyncio.create_task(batcher.run(images(n))) for n in (7, 2))
            await asyncio.sleep(0.05)
            held.go.set()
            await first
            held.go.clear()
            await asyncio.sleep(0.05)
            gone.cancel()
            held.go.set()
            assert len((await asyncio.wait_for(last, 10))["probabilities"]) == 2

    asyncio.run(run())
    assert held.calls == [1, 9]


def test_for_a_client_that_closed_its_connection_nothing_is_computed(held: Held) -> None:
    async def run() -> list[object]:
        with ThreadPoolExecutor(1) as workers:
            batcher = Batcher(held, Threads(workers, 1))
            tasks = [asyncio.create_task(batcher.run(images(n), lambda n=n: n == 7)) for n in (1, 7, 2)]
            await asyncio.sleep(0.05)
            held.go.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    _, gone, _ = asyncio.run(run())
    assert isinstance(gone, Refused)
    assert gone.status == GONE
    assert held.calls == [1, 2]


def test_a_wrong_request_is_refused_alone(tmp_path: Path) -> None:
    """Whether it is wrong is known when it is computed, together with others that are right."""
    held = Held(table(tmp_path / "table.onnx"), "table")
    asked = [Inference(None, {"x": np.array([[place]])}, {"y": False}) for place in (0, 1, 99, 3)]
    found = together(held, asked)
    assert [each["y"].item() for each in found if isinstance(each, dict)] == [0, 10, 30]
    assert isinstance(found[2], Refused)
    assert found[2].status == 400
    assert held.calls == [1, 3, 1, 1, 1]


def test_of_a_wrong_request_nothing_is_kept(tmp_path: Path) -> None:
    """Neither alone nor with others: its room is given to others at once, not when the collector comes by."""
    held = Held(table(tmp_path / "table.onnx"), "table")
    held.go.set()

    def wrong() -> Inference:
        return Inference(None, {"x": np.full((50, 1), 99)}, {"y": False})

    async def run() -> list[bool]:
        with ThreadPoolExecutor(1) as workers:
            batcher, kept = Batcher(held, Threads(workers, 1)), list[weakref.ref[np.ndarray]]()

            async def refused(asked: Inference) -> None:
                kept.append(weakref.ref(asked.inputs["x"]))
                with pytest.raises(Refused):
                    await batcher.run(asked)

            await refused(wrong())
            await asyncio.gather(*(refused(wrong()) for _ in range(3)))
            await asyncio.sleep(0.05)
            return [each() is None for each in kept]

    gc.disable()
    try:
        assert asyncio.run(run()) == [True] * 4
    finally:
        gc.enable()


def test_a_fault_of_the_model_reaches_those_of_its_call_alone(tmp_path: Path) -> None:
    class Failing(Held):
        def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
            found = super().run(inputs, outputs)
            if len(inputs["images"]) > 1:
                raise MemoryError("not these")
            return found

    found = together(Failing(model(tmp_path / "four.onnx"), "four"), [images(1), images(1), images(1)])
    assert isinstance(found[0], dict)
    assert [str(each) for each in found[1:]] == ["not these", "not these"]


def test_what_is_quick_is_computed_where_it_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has been seen to be, on a thread; what is larger still goes to one, and what turns out to be slow."""
    where = list[threading.Thread]()

    class Watched(Model):
        def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
            where.append(threading.current_thread())
            return super().run(inputs, outputs)

    async def run() -> None:
        with ThreadPoolExecutor(1) as workers:
            batcher = Batcher(Watched(model(tmp_path / "four.onnx"), "four"), Threads(workers, 1))
            for quick_s, sizes in ((100.0, (1, 1, 3, 3, 2)), (1e-9, (2, 2, 2, 2))):  # however busy the machine is
                monkeypatch.setattr(quick, "QUICK_S", quick_s)  # what is quick on a busy machine nobody knows
                for n in sizes:
                    found = await batcher.run(images(n))
                    assert found["probabilities"].shape == (n, 4)

    asyncio.run(run())
    here = [thread is threading.main_thread() for thread in where]
    assert here == [False, True, False, True, True, True, True, True, False]
