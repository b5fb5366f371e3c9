"""Shares of work in processes of their own: what they say is heard here, and a fault of one is the fault of all."""

import errno
import os
import signal
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest

from schwarz.errors import SchwarzError
from schwarz.training.workers import Tell, side_by_side
from tests.waiting import until


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


class Odd(Exception):
    """It is not made of a text alone, so that it cannot be sent as it is."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)


def odd(tell: Tell) -> None:
    raise Odd("x", 1)


def test_a_full_disk_is_a_full_disk_and_says_where_it_was_met():
    full = partial(fail, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left") as found:
        side_by_side([full, full], lambda *words: None)
    assert found.value.errno == errno.ENOSPC
    assert "in fail\n" in found.value.__notes__[0]


def lonely(file: Path, tell: Tell) -> None:
    file.write_text(str(os.getpid()))
    time.sleep(60)


def bear(folder: Path) -> None:
    side_by_side([partial(lonely, folder / "a"), partial(lonely, folder / "b")], lambda *words: None)


def test_workers_end_with_the_process_that_began_them(tmp_path: Path):
    """Even a killed one: its rerun must not meet them."""
    parent = get_context("spawn").Process(target=bear, args=(tmp_path,))
    parent.start()
    until(lambda: all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in "ab"))
    parent.kill()
    parent.join()
    until(lambda: not any(psutil.pid_exists(int((tmp_path / name).read_text())) for name in "ab"))


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (partial(fail, SchwarzError("use a lower rate")), "^use a lower rate$"),
        (odd, "^Odd: x\n"),
        (end, "a worker process was killed, perhaps for lack of memory"),
    ],
)
def test_the_fault_of_one_ends_the_others(tmp_path: Path, share: Any, message: str):
    began = time.monotonic()
    with pytest.raises(SchwarzError, match=message):
        side_by_side([partial(sleep, tmp_path / "begun"), share], lambda *words: None)
    assert time.monotonic() - began < 50
