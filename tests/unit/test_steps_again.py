"""A step that failed in a pod begins anew there, as often as it may, where another time can help."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STEP = """
import os, sys
from pathlib import Path
from schwarz.errors import StepFailed, WrongInput, WrongSetting
from schwarz.steps.frame import step

TRIES = Path(sys.argv[1]) / "tries"

@step("work")
def work(seed: int, *, out: Path) -> dict[str, float]:
    tries = TRIES.read_text().split() if TRIES.exists() else []
    TRIES.write_text(" ".join([*tries, str(os.getpid())]))
    if len(tries) < int(sys.argv[2]):
        raise FAULT
    (out / "result").write_text(str(seed))
    return {}

work(seed=7, out=Path(sys.argv[1]) / "out")
print("whole")
"""


def run(folder: Path, fault: str, failures: int, tries: str) -> tuple[int, list[str], str]:
    """Exit status of a pod's process whose step fails so often, the process id of every try, and what it said."""
    script = folder / "step.py"
    script.write_text(STEP.replace("FAULT", fault))
    told = {**os.environ, "SCHWARZ_RETRIES": tries, "SCHWARZ_RETRY_WAIT_S": "0.01"}
    call = [sys.executable, str(script), str(folder), str(failures)]
    done = subprocess.run(call, env=told, capture_output=True, text=True, check=False)
    return done.returncode, (folder / "tries").read_text().split(), done.stdout + done.stderr


def test_what_may_pass_is_tried_again_in_the_same_pod(tmp_path: Path) -> None:
    status, tries, told = run(tmp_path, "OSError('the store is away')", 2, "2")
    assert status == 0, told
    assert len(tries) == 3
    assert len(set(tries)) == 1  # the pod's own process, begun anew
    assert told.count("OSError: the store is away\nTried again in") == 2
    assert "Tried again in 0.01 s; 1 tries are then left." in told
    assert "Tried again in 0.02 s; 0 tries are then left." in told
    assert (tmp_path / "out" / "result").read_text() == "7"
    assert not (tmp_path / "out" / "error.json").exists()


def test_a_fault_that_stays_is_told_after_the_last_try(tmp_path: Path) -> None:
    status, tries, told = run(tmp_path, "StepFailed('for good')", 9, "1")
    assert status == 1
    assert len(tries) == 2
    assert told.rstrip().endswith("for good")
    assert (tmp_path / "out" / "error.json").exists()


@pytest.mark.parametrize("fault", ["WrongInput('x')", "WrongSetting('x')", "KeyboardInterrupt()"])
def test_what_is_configured_wrongly_or_was_stopped_is_not_tried_again(tmp_path: Path, fault: str) -> None:
    status, tries, _ = run(tmp_path, fault, 9, "5")
    assert status != 0
    assert len(tries) == 1
