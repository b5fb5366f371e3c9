"""The threads that compute, as many as there are cores: all models share them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """How many are free, and who waits for one: each model once, the longest waiting first. Used by one event loop."""

    def __init__(self, workers: Executor, count: int) -> None:
        self._workers, self._free = workers, count
        self._waiting = dict[Callable[[], None], None]()

    def free(self, then: Callable[[], None]) -> bool:
        """Whether one is; where none is, `then` is called when one has become free and its turn has come."""
        if not self._free:
            self._waiting[then] = None
        return self._free > 0

    def run(self, work: Callable[..., T], *given: Any) -> "asyncio.Future[T]":
        """`work` on one that is free."""
        call = asyncio.get_running_loop().run_in_executor(self._workers, work, *given)
        self._free -= 1
        call.add_done_callback(self._done)
        return call

    def _done(self, _: "asyncio.Future[Any]") -> None:
        self._free += 1
        while self._free and self._waiting:
            then = next(iter(self._waiting))
            del self._waiting[then]
            then()
