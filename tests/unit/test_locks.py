"""Lock files: one holder at a time, none after its death, and a question that refuses nobody."""

import subprocess
import sys
from pathlib import Path

import pytest

from schwarz.locks import Busy, held, locked

HOLD = "import sys, pathlib, schwarz.locks as l\nwith l.locked(pathlib.Path(sys.argv[1])): print(flush=True); input()"
ASK = "import sys, pathlib, schwarz.locks as l\nfor _ in range(5000): l.held(pathlib.Path(sys.argv[1]))"


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
    with locked(tmp_path / "lock"):
        pass
    with subprocess.Popen([sys.executable, "-c", ASK, str(tmp_path / "lock")]) as process:
        while process.poll() is None:
            with locked(tmp_path / "lock", wait=False):
                pass
    assert process.returncode == 0
