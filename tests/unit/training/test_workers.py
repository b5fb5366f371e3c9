"""Shares of work in processes of their own: what they say is heard here, and a fault of one is the fault of all."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schwarz.errors import SchwarzError
from schwarz.training.workers import Tell, side_by_side


def count(name: str, tell: Tell) -> None:
    for number in range(3):
        tell(name, number)
    tell("process", os.getpid())


def fail(fault: Exception, tell: Tell) -> None:
    raise fault


def end(tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(file: Path, tell: Tell) -> None:
    file.touch()
    time.sleep(60)
    tell("slept")


def test_each_share_has_a_process_and_is_heard_in_order():
    said: list[tuple[Any, ...]] = []
    side_by_side([partial(count, "a"), partial(count, "b")], lambda *words: said.append(words))
    for name in "ab":
        assert [number for who, number in said if who == name] == [0, 1, 2]
    processes = {number for who, number in said if who == "process"}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_one_share_is_done_here():
    said: list[tuple[Any, ...]] = []
    side_by_side([partial(count, "a")], lambda *words: said.append(words))
    assert said[-1] == ("process", os.getpid())


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (partial(fail, SchwarzError("use a lower rate")), "^use a lower rate$"),
        (partial(fail, KeyError("x")), "^KeyError: 'x'$"),
        (end, "a worker process was killed, perhaps for lack of memory"),
    ],
)
def test_the_fault_of_one_ends_the_others(tmp_path: Path, share: Any, message: str):
    began = time.monotonic()
    with pytest.raises(SchwarzError, match=message):
        side_by_side([partial(sleep, tmp_path / "begun"), share], lambda *words: None)
    assert time.monotonic() - began < 50
