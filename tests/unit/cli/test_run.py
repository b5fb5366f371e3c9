"""`run` and `resume` around a short real pipeline: what is printed, what is left, how a signal ends it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schwarz.cli import follow

GOOD = 'step("begin", "", "begin")\nstep("train_local", "0", "local 0")\nfinish()\n'


pytestmark = pytest.mark.usefixtures("sample_here")


def test_a_run_ends_with_figures_paths_and_commands(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path
) -> None:
    pipeline(GOOD)
    told = schwarz("run", "tiny")
    run = checkout / "runs" / "tiny" / "1"
    assert (told.status, told.err) == (0, "")
    assert "\x1b" not in told.out
    progress, _, summary = told.out.partition("\n\n")
    assert sum("local 0" in line for line in progress.splitlines()) <= 3
    lines = summary.splitlines()
    table = [line for line in lines if line.startswith(("strategy", "average", "coarse"))]
    assert len(lines) - len(table) + 1 <= 12
    assert any("coarse" in line and "0.850" in line and "0.800-0.900" in line for line in table)
    assert "Chance is 0.100" in summary
    assert "flatters" not in summary
    for path in (run / "report.html", run / "model" / "coarse.onnx", run):
        assert str(path) in summary
        assert path.exists()
    assert "tiny version 1, champion" in summary
    assert "1 min 03 s, 100 CPU-s, 900 MB" in summary
    assert "ui --backend-store-uri sqlite:////somewhere/runs/mlflow.db" in summary
    assert len(summary.partition("\nnext ")[2].splitlines()) == 3


def test_validation_on_the_test_images_is_said(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], results: dict[str, Any]
) -> None:
    results["data"]["validation_is_test"] = True
    pipeline(GOOD)
    assert "\nThe validation images are the test images: " in schwarz("run", "tiny").out


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "coarse-int8.onnx",
            "coarse-int8.onnx  (tiny version 1, champion)  (validation accuracy 0.844, in float32 0.850)",
        ),
        (None, "not kept: validation accuracy 0.844, in float32 0.850, allowed are 0.005 less"),
    ],
)
def test_what_became_of_the_model_in_8_bits_is_said(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], results: dict[str, Any], file: str | None, said: str
) -> None:
    results["model"]["int8"] = {"accuracy": 0.844, "float32": 0.85, "margin": 0.005, "file": file}
    results["model"]["registered"]["file"] = file or "coarse.onnx"
    pipeline(GOOD)
    (line,) = (line for line in schwarz("run", "tiny").out.splitlines() if line.startswith("int8 "))
    assert line.endswith(said)
    results["strategies"]["coarse"]["learned_from_validation"] = True
    pipeline(GOOD)
    assert "in float32 0.850, both of images that its coarse net learned from" in schwarz("run", "tiny").out


def test_the_share_of_the_largest_class_is_said_where_it_is_more_than_chance(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], results: dict[str, Any]
) -> None:
    for largest, said in (
        (0.768, "Chance is 0.100; always the largest class would be right 0.768 of the time. Best on"),
        (0.1, "Chance is 0.100. Best on"),
    ):
        results["largest_class"] = largest
        pipeline(GOOD)
        assert f"\n{said}" in schwarz("run", "tiny").out


def test_workers_without_work_are_said(schwarz: Callable[..., Any], pipeline: Callable[[str], Path]) -> None:
    pipeline(GOOD)
    assert "\nplace.workers = 9: 4 at work" in schwarz("run", "tiny", "--place.workers", 9, "--place.pods", 1).out
    assert "at work" not in schwarz("run", "tiny", "--place.workers", 4, "--place.pods", 1).out


def test_the_config_of_a_run_explains_itself(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path
) -> None:
    pipeline(GOOD)
    schwarz("run", "tiny")
    file = checkout / "runs" / "tiny" / "1" / "config.toml"
    assert "# passes over the training images" in file.read_text()
    assert schwarz("show", "--config", file).out == file.read_text()


def test_the_next_commands_can_be_copied(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path
) -> None:
    pipeline(GOOD)
    following = [line[11:] for line in schwarz("run", "tiny").out.splitlines()[-3:]]
    ours = [shlex.split(text) for text in following if "mlflow" not in text]
    assert ours
    for words in ours:
        assert Path(words[0]).name == "schwarz"
        assert schwarz(*words[1:]).status == 0, words


def test_json_alone_on_stdout(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], results: dict[str, Any]
) -> None:
    pipeline(GOOD)
    told = schwarz("run", "tiny", "--json")
    assert json.loads(told.out) == results
    assert "local 0" in told.err


def test_a_finished_run_is_not_run_again(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path
) -> None:
    pipeline(GOOD)
    assert schwarz("run", "tiny", "--out", "mine").status == 0
    pipeline("raise SystemExit('the pipeline was started again')")
    began = time.process_time()
    for arguments in (["run", "tiny", "--out", "mine"], ["resume", "mine"]):
        told = schwarz(*arguments)
        assert told.status == 0
        assert "is finished: nothing was left to do" in told.out
        assert str(checkout / "mine" / "report.html") in told.out
    assert time.process_time() - began < 2
    (checkout / "mine" / "report.html").unlink()  # no longer whole: the pipeline is asked
    assert schwarz("resume", "mine").status == 1


REUSES = """
j = journal("begin")
j.write("start", title="begin")
j.write("reused", saved_s=142.0, metrics={})
step("train_local", "0", "local 0")
finish()
"""


def test_a_resumed_run_says_what_it_reused(schwarz: Callable[..., Any], pipeline: Callable[[str], Path]) -> None:
    pipeline('step("begin", "", "begin")\nraise SystemExit(1)')
    assert schwarz("run", "tiny").status == 1
    pipeline(REUSES)
    told = schwarz("resume", "tiny/1")
    assert told.status == 0
    assert "reused, saved 2 min 22 s" in told.out
    assert "reused 1 of 2 steps, saved 142 s" in told.out
    assert sum(line.startswith("begin") for line in told.out.splitlines()) == 1  # not the first attempt's line again


def test_what_a_dead_pipeline_left_running_is_ended(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], checkout: Path
) -> None:
    pipeline(
        "import subprocess\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "(run / 'child').write_text(str(child.pid))\nraise SystemExit(1)"
    )
    assert schwarz("run", "tiny").status == 1
    wait_for(lambda: not alive(int((checkout / "runs/tiny/1/child").read_text())))


def test_metrics_that_stay_behind_are_said(
    schwarz: Callable[..., Any], pipeline: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline(GOOD)
    # a real process that never ends in place of the sender, and patience that a test can afford
    monkeypatch.setattr(follow, "SENDER_S", 0.2)
    monkeypatch.setattr(follow, "SENDER_END_S", 0.2)
    monkeypatch.setattr(follow, "sender_command", lambda _: [sys.executable, "-c", "import time; time.sleep(60)"])
    told = schwarz("run", "tiny")
    assert told.status == 0
    assert "schwarz track sync" in told.out


SLOW = """
import signal, subprocess, time
if DEAF:
    signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(run / "pids").write_text(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""
DRIVER = """
import sys
from schwarz.cli import follow, main
follow.ENDING = ((2, 30.0), (15, 30.0))
follow.pipeline_command = lambda run, _: [sys.executable, sys.argv[1], str(run)]
follow.sender_command = lambda _: [sys.executable, "-c", "import sys; sys.stdin.read()"]
main(["run", "tiny", "--out", "mine"])
"""


@pytest.fixture
def started(pipeline: Callable[[str], Path], checkout: Path) -> Iterator[Callable[[bool], subprocess.Popen[str]]]:
    """Start `run` in a process of its own, with a slow pipeline that has a child."""
    processes = []

    def start(deaf: bool) -> subprocess.Popen[str]:
        script = pipeline(SLOW.replace("DEAF", str(deaf)))
        command = [sys.executable, "-c", DRIVER, str(script)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=checkout)
        processes.append(process)
        wait_for(lambda: (checkout / "mine" / "pids").exists() and (checkout / "mine" / "pids").read_text() != "")
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_everything_and_says_how_to_go_on(
    started: Callable[[bool], subprocess.Popen[str]], checkout: Path, number: int, status: int
) -> None:
    process = started(False)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == status
    assert "Traceback" not in err
    assert shlex.split(err.splitlines()[-1])[-2:] == ["resume", str(checkout / "mine")]
    wait_for(lambda: not any(alive(int(pid)) for pid in (checkout / "mine" / "pids").read_text().split()))


def test_a_second_ctrl_c_ends_what_does_not_listen(
    started: Callable[[bool], subprocess.Popen[str]], checkout: Path
) -> None:
    process = started(True)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "Ctrl-C again ends it at once" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    wait_for(lambda: not any(alive(int(pid)) for pid in (checkout / "mine" / "pids").read_text().split()))


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
