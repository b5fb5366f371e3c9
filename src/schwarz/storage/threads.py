"""Work in numbered pieces, by some threads ahead of the one that takes the results in order."""

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_order(work: Callable[[int], T], count: int, threads: int, stop: threading.Event) -> Generator[T]:
    """work(0), work(1), ... in this order; at most `threads` + 2 are begun or done that nobody has taken.

    When the caller ends early (an exception, Ctrl-C, `close()`), `stop` is set, for `work` to look at, and no new piece
    is begun. The threads are daemons: a process that ends does not wait for one that hangs.
    """
    results: list[Future[T]] = [Future() for _ in range(count)]
    free, numbers, lock = threading.Semaphore(threads + 2), iter(range(count)), threading.Lock()

    def run() -> None:
        while True:
            free.acquire()
            with lock:
                number = next(numbers, None)
            if number is None or stop.is_set():
                return
            try:
                results[number].set_result(work(number))
            except BaseException as fault:  # raised again where the result is taken
                results[number].set_exception(fault)

    workers = [threading.Thread(target=run, name="piece", daemon=True) for _ in range(min(threads, count))]
    for worker in workers:
        worker.start()
    try:
        for result in results:
            taken = result.result()
            free.release()
            yield taken
    finally:
        stop.set()
        free.release(threads)
        end = time.monotonic() + 1
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))
