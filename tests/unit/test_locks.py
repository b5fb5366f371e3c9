"""Lock files: one holder at a time, none after its death, and a question that refuses nobody."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from schwarz.locks import Busy, _sign, held, locked

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


def test_who_is_refused_is_told_by_whom_and_since_when(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(Busy) as refused, locked(file, wait=False):
            pass
        assert refused.value.who == f"process {process.pid} on {os.uname().nodename}"
        assert re.fullmatch(r"since \d\d:\d\d", refused.value.since)
        file.write_text(json.dumps({"process": 7, "host": "far", "since": 86400 * 365.25}))
        with pytest.raises(Busy) as refused, locked(file, wait=False):
            pass
        assert (refused.value.who, refused.value.since[:12]) == ("process 7 on far", "since 1971-0")
        file.write_text("")  # not signed yet
        with pytest.raises(Busy) as refused, locked(file, wait=False):
            pass
        assert (refused.value.who, refused.value.since) == ("another process", "now")
        process.kill()


def test_a_lock_on_a_full_disk_holds_as_well() -> None:
    _sign(os.open("/dev/full", os.O_WRONLY))


def test_asking_refuses_nobody(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        pass
    with subprocess.Popen([sys.executable, "-c", ASK, str(tmp_path / "lock")]) as process:
        while process.poll() is None:
            with locked(tmp_path / "lock", wait=False):
                pass
    assert process.returncode == 0
