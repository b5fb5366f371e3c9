"""`run` and `resume` where they end in a message: a step failed, or it was refused before anything was written."""

import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CONFIG = f"[core]\nno_scm = true\nanalytics = false\nremote = sample\n['remote \"sample\"']\nurl = {ROOT / 'sample'}\n"
GOOD = 'step("begin", "", "begin")\nstep("train_local", "0", "local 0")\nfinish()\n'


pytestmark = pytest.mark.usefixtures("sample_here")


def test_out_of_fold_with_too_few_images_is_refused_before_a_folder_is_made(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path
) -> None:
    pipeline(GOOD)
    told = schwarz("run", "tiny", "--coarse.source", "out-of-fold", "--coarse.folds", 60)
    assert told.status == 2
    assert "class 'T-shirt' has 54 training images" in told.last
    assert not (checkout / "runs").exists()


FAILS = """
j = journal("train_local", "2")
j.write("start", title="local 2")
log = str(run / "logs" / "train_local-2.log")
told = dict(error="loss is not a number in epoch 3", log=log, interrupted=False)
j.write("failed", **told, status={status}, resumable={resumable})
raise SystemExit(1)
"""


@pytest.mark.parametrize("status", [1, 2])
def test_a_failed_step_is_told_last(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path, status: int
) -> None:
    pipeline(FAILS.replace("{status}", str(status)).replace("{resumable}", "True"))
    told = schwarz("run", "tiny")
    run = checkout / "runs" / "tiny" / "1"
    assert told.status == status
    what, log, resume = told.err.strip().splitlines()
    assert what == "Error: local 2 failed: loss is not a number in epoch 3"
    assert log.split() == ["log", str(run / "logs" / "train_local-2.log")]
    assert shlex.split(resume)[-2:] == ["resume", str(run)]
    assert json.loads(schwarz("runs", "--json").out)[0]["state"] == "failed"


def test_what_a_resume_cannot_mend_is_not_to_be_resumed(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path]
) -> None:
    pipeline(FAILS.replace("{status}", "1").replace("{resumable}", "False"))
    told = schwarz("run", "tiny")
    assert told.status == 1
    assert [line.split()[0] for line in told.err.splitlines()] == ["Error:", "log"]


def test_a_pipeline_that_breaks_outside_a_step(schwarz: Callable[..., Any], pipeline: Callable[[str], Path]) -> None:
    pipeline("raise RuntimeError('no such runner')")
    told = schwarz("run", "tiny")
    what, log, _ = told.err.strip().splitlines()
    assert told.status == 1
    assert "before a step failed (exit status 1): RuntimeError: no such runner" in what
    assert "a line for the log" in Path(log.split()[1]).read_text()


def test_a_step_that_is_killed_is_named(schwarz: Callable[..., Any], pipeline: Callable[[str], Path]) -> None:
    pipeline('journal("train_local", "3").write("start", title="local 3")\nos.kill(os.getpid(), 9)')
    told = schwarz("run", "tiny")
    assert told.status == 1
    assert told.err.startswith("Error: local 3 ended without a word (signal 9: killed, perhaps for lack of memory)")


def test_a_run_of_another_config_is_refused(schwarz: Callable[..., Any], pipeline: Callable[[str], Path]) -> None:
    pipeline(GOOD)
    assert schwarz("run", "tiny", "--out", "mine").status == 0
    told = schwarz("run", "tiny", "--out", "mine", "--local.epochs", "3")
    assert told.status == 2
    assert "local.epochs: 1, not 3" in told.last


def test_two_processes_do_not_run_one_folder(schwarz: Callable[..., Any], pipeline: Callable[[str], Path]) -> None:
    from schwarz.runs import open_run

    pipeline("raise SystemExit(1)")
    schwarz("run", "tiny")
    with open_run(Path("runs/tiny/1")).lock():
        told = schwarz("resume", "tiny/1")
        assert json.loads(schwarz("runs", "--json").out)[0]["state"] == "running"
        again = schwarz("resume", "tiny/1", "--fresh")
    assert told.status == 2
    who = rf"process {os.getpid()} on \S+ runs it since \d\d:\d\d: wait until it has ended\.$"
    assert re.search(who, told.last)
    assert (again.status, again.last) == (2, told.last)
    assert json.loads(schwarz("runs", "--json").out)[0]["state"] == "stopped"


def test_damaged_images_are_refused_before_a_folder_is_made(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path
) -> None:
    pipeline(GOOD)
    source = (checkout / "data").resolve()
    (checkout / "data").unlink()
    shutil.copytree(source, checkout / "data")
    with (checkout / "data" / "test-00.npz").open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    (checkout / ".dvc").mkdir()
    (checkout / ".dvc" / "config").write_text(CONFIG)
    before = cpu_s()
    told = schwarz("run", "tiny")
    assert cpu_s() - before < 3
    assert told.status == 2
    assert str(checkout / "data" / "test-00.npz") in told.last
    assert not (checkout / "runs").exists()


LIBRARY_ALONE = """
import sys, pathlib
sys.path = [folder for folder in sys.path if not pathlib.Path(folder, "pipelines").is_dir()]
from schwarz.cli import main
main(["run", "tiny"])
"""


def test_without_a_checkout_there_is_no_pipeline(checkout: Path) -> None:
    command = [sys.executable, "-c", LIBRARY_ALONE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the pipeline is not installed here")
    assert not (checkout / "runs").exists()


def cpu_s() -> float:
    """CPU-seconds of this process and the children that ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
