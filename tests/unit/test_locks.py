"""Lock files: one holder at a time, none after its death, and a question that refuses nobody."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from schwarz.locks import Busy, held, locked

HOLD = "import sys, pathlib, schwarz.locks as l\nwith l.locked(pathlib.Path(sys.argv[1])): print(flush=True); input()"


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "lock"
    assert not held(file)
    with locked(file, wait=False):
        assert held(file)
        with pytest.raises(Busy), locked(file, wait=False):
            pass
    assert not held(file)
    with locked(file, wait=False):
        pass


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert held(tmp_path / "lock")
        process.kill()
        process.wait()
        assert not held(tmp_path / "lock")


def test_asking_refuses_nobody(tmp_path: Path) -> None:
    file, enough = tmp_path / "lock", Event()

    def ask() -> int:
        asked = 0
        while not enough.is_set():
            held(file)
            asked += 1
        return asked

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for _ in range(300):
                with locked(file, wait=False):
                    pass
        finally:
            enough.set()
    assert all(each.result() > 10 for each in asking)
