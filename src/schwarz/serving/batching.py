"""Requests that wait are computed together: one call for many images costs much less than many calls.

Nothing is waited for: a call begins as soon as a core is free, with whatever has arrived until then. So a lone request
is answered at once, and under load batches grow by themselves. What takes less than to hand it to a thread, and the
answer back, is computed where it arrives.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

import numpy as np

from schwarz.serving.inference import Inference
from schwarz.serving.model import Model
from schwarz.serving.quick import Quick
from schwarz.serving.refused import Gone, Refused
from schwarz.serving.threads import Threads

TOGETHER = 64
"""Images in one call, at most, but for a request that has more by itself."""
VALUES = 2**20
"""Of inputs in one call, at most, but for an image that has more by itself."""
RESULTS = 2**22
"""Bytes that one call gives, as far as shapes tell, at most, but for an image of more: there are several copies of them
for a while."""
ROOM = 512
"""Images that may wait, but for a request that finds nobody waiting."""
RETRY_S = 1

Results = dict[str, np.ndarray]


class Busy(Refused):
    """Too many wait already: the client is to come back."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} images wait already: try again in {RETRY_S} s", 429)


@dataclass(eq=False)
class Waiting:
    """A request whose turn has not come."""

    asked: Inference
    images: int
    left: Callable[[], bool]
    answer: "asyncio.Future[Results]"


class Batcher:
    """Computes what is asked of one model. Used by one event loop."""

    def __init__(self, model: Model, threads: Threads, on_call: Callable[[int], object] = lambda images: None) -> None:
        self.model, self._threads, self._on_call = model, threads, on_call
        self._queue, self.waiting = deque[Waiting](), 0
        self._quick = Quick()

    def check(self, images: int = 1) -> None:
        """`Busy` where too many wait already."""
        if self._queue and self.waiting + images > ROOM:
            raise Busy(self.waiting)

    async def run(self, asked: Inference, left: Callable[[], bool] = lambda: False) -> Results:
        """What the model gives; `Busy` where too many wait. Nothing is computed for who has `left` meanwhile."""
        images = len(next(iter(asked.inputs.values()))) if self.model.batches else 1
        if not self._queue and _values(asked) <= self._quick.most:
            self._on_call(images)
            return self._here(asked)
        self.check(images)
        mine = Waiting(asked, images, left, asyncio.get_running_loop().create_future())
        self._queue.append(mine)
        self.waiting += images
        self._begin()
        try:
            return await mine.answer
        except asyncio.CancelledError:
            if mine in self._queue:  # its images are not to wait on, uncounted
                self._queue.remove(mine)
                self.waiting -= images
            raise
        finally:
            del mine  # it, its fault and this frame would hold each other, and what was asked

    def _here(self, asked: Inference) -> Results:
        """Computed on the loop itself; what turns out to be slow there will not be for long."""
        began = time.perf_counter()
        try:
            return _run(self.model, asked.inputs, tuple(asked.outputs))
        finally:
            self._quick.learn(_values(asked), time.perf_counter() - began)

    def _begin(self) -> None:
        """As many calls as threads are free; the next one when its turn has come."""
        while self._queue and self._threads.free(self._begin):
            if group := self._next():
                self._on_call(sum(each.images for each in group))
                self._threads.run(self._timed, group).add_done_callback(partial(self._done, group))

    def _next(self) -> list[Waiting]:
        """Those that come first, as many as are computed together; whoever has left is passed over."""
        group, images, outputs = list[Waiting](), 0, set[str]()
        while self._queue and (not group or self._fits(group[0], self._queue[0], images, outputs)):
            first = self._queue.popleft()
            self.waiting -= first.images
            if first.answer.cancelled():
                continue
            if first.left():
                first.answer.set_exception(Gone())
            else:
                group.append(first)
                images += first.images
                outputs |= first.asked.outputs.keys()
        return group

    def _fits(self, first: Waiting, following: Waiting, images: int, outputs: Set[str]) -> bool:
        """Whether a request is computed with those before it, which ask for these outputs: images of the same size, and
        not too many."""
        inputs = first.asked.inputs
        if not self.model.batches or any(
            values.shape[1:] != inputs[name].shape[1:] for name, values in following.asked.inputs.items()
        ):
            return False
        return images + following.images <= _few(self.model, inputs, outputs | following.asked.outputs.keys())

    def _done(self, group: Sequence[Waiting], call: "asyncio.Future[list[Results | Refused]]") -> None:
        fault = call.exception()
        answers = call.result() if fault is None else [fault] * len(group)
        for each, answer in zip(group, answers, strict=True):
            if each.answer.cancelled():
                continue
            if isinstance(answer, BaseException):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)

    def _timed(self, group: Sequence[Waiting]) -> list[Results | Refused]:
        began = time.perf_counter()
        answers = _computed(self.model, group)
        if not any(isinstance(answer, Refused) for answer in answers):  # which may be refused long before its end
            self._quick.learn(sum(_values(each.asked) for each in group), time.perf_counter() - began)
        return answers


def _values(asked: Inference) -> int:
    return sum(values.size for values in asked.inputs.values())


def _computed(model: Model, group: Sequence[Waiting]) -> list[Results | Refused]:
    """The answers to a group of requests; where the model refuses it, each is asked alone: those that are right are not
    to suffer for one that is wrong."""
    try:
        return [*_together(model, group)]
    except Refused as fault:
        if len(group) == 1:
            fault.__context__ = None  # nor the frames it came from: they hold what was asked, and that holds the fault
            return [fault.with_traceback(None)]
    return [answer for each in group for answer in _computed(model, [each])]


def _together(model: Model, group: Sequence[Waiting]) -> list[Results]:
    """Each its own images and outputs, of one call."""
    if len(group) == 1:
        return [_run(model, group[0].asked.inputs, tuple(group[0].asked.outputs))]
    wanted = tuple(name for name in model.outputs if any(name in each.asked.outputs for each in group))
    inputs = {name: np.concatenate([each.asked.inputs[name] for each in group]) for name in model.inputs}
    results = _run(model, inputs, wanted)
    ends = np.cumsum([each.images for each in group])[:-1]
    parts = {name: np.split(values, ends) for name, values in results.items()}
    # copies: a part would keep all others' numbers too
    return [{name: parts[name][place].copy() for name in each.asked.outputs} for place, each in enumerate(group)]


def _run(model: Model, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> Results:
    """What the model gives, asked for so many images at a time that what it computes in between fits in memory."""
    if not model.batches:
        return model.run(inputs, outputs)
    images = len(next(iter(inputs.values())))
    if images == 1 or images <= (few := _few(model, inputs, outputs)):
        return model.run(inputs, outputs)
    parts = [
        model.run({name: values[at : at + few] for name, values in inputs.items()}, outputs)
        for at in range(0, images, few)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in outputs}


def _few(model: Model, inputs: Mapping[str, np.ndarray], outputs: Iterable[str]) -> int:
    """How many images of this size are computed in one call; axes of results without a fixed size count as one."""
    values = sum(each[:1].size for each in inputs.values())
    results = sum(model.outputs[name].one for name in outputs)
    return max(1, min(TOGETHER, VALUES // max(values, 1), RESULTS // max(results, 1)))
