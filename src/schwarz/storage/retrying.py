"""Trying again what may pass, until patience ends. The pauses grow and are of random length, so that many processes
that lost the same store do not come back at once."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
FIRST_S, LONGEST_S = 0.1, 5.0
"""The pauses: the first one, and what they grow to."""


@dataclass(frozen=True)
class Patience:
    """How long a store is waited for."""

    total_s: float = 120.0
    """From the first fault, or the last byte that was received, until it is given up."""
    answer_s: float = 20.0
    """For a request to be answered, or to go on, until another one is made."""


class Passing(Exception):
    """A fault that may pass. `progressed`: something was received before it, so that waiting begins anew."""

    def __init__(self, why: str, *, progressed: bool = False) -> None:
        super().__init__(why)
        self.why, self.progressed = why, progressed


class Stopped(Exception):
    """Nobody waits for the outcome any more."""


class Outage:
    """What is told of a store that is away: once that it is, once that it is back, whichever thread finds out."""

    def __init__(self, who: str, say: Callable[[str], None]) -> None:
        self._who, self._say, self._lock = who, say, threading.Lock()
        self._since: float | None = None

    def away(self, why: str, wait_s: float) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                self._say(f"{self._who} does not answer ({why}): waiting for it, {wait_s:g} s at most")

    def back(self) -> None:
        with self._lock:
            if self._since is not None:
                self._say(f"{self._who} answers again, after {time.monotonic() - self._since:.1f} s")
                self._since = None


def persist(
    action: Callable[[], T],
    patience: Patience,
    outage: Outage,
    given_up: Callable[[str], Exception],
    stop: threading.Event,
) -> T:
    """What `action` returns, once it does so without a `Passing` fault; when these last too long, `given_up(why)`."""
    tries, since = 0, 0.0
    while True:
        try:
            result = action()
        except Passing as fault:
            now = time.monotonic()
            tries = 1 if fault.progressed else tries + 1
            since = now if tries == 1 else since
            left_s = since + patience.total_s - now
            if left_s <= 0:
                raise given_up(fault.why) from None
            if tries > 1:  # one that passes at once is not worth a line
                outage.away(fault.why, patience.total_s)
            if stop.wait(min(pause_s(tries), left_s)):
                raise Stopped from None
        else:
            outage.back()
            return result


def pause_s(tries: int) -> float:
    """How long to wait after so many faults in a row."""
    longest = min(LONGEST_S, FIRST_S * 2 ** min(tries, 16))
    return random.uniform(longest / 2, longest)  # noqa: S311  # no secret, and no part of a result
