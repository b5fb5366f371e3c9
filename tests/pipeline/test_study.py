"""A study with real runs: interrupted, killed, gone on with, added to; a run that fails; its figures."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import psutil
import pytest

from schwarz.cli.study import study
from schwarz.journal import read
from schwarz.locks import held

LINE, AGAIN = study.examples
FOLDER = Path("runs", "study")
LIMIT_S = 120


def start(line: str, folder: Path) -> subprocess.Popen[str]:
    """A command line as a person types it, its output in pipes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SCHWARZ_", "MLFLOW_"))}
    code = "from schwarz.cli import main; main()"
    command = [sys.executable, "-c", code, *shlex.split(line)[1:]]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    )


def finished(line: str, folder: Path) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of a command line."""
    process = start(line, folder)
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, err


def until(met: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait, as long as the process goes on that is to bring it about."""
    limit = time.monotonic() + LIMIT_S
    while not met():
        assert time.monotonic() < limit
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)


def working_on(folder: Path) -> list[int]:
    """The processes whose command line names the folder."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if any(str(folder) in w for w in p.info["cmdline"] or ())]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def events(home: Path, seed: int, step: str) -> list[Any]:
    return [
        event["event"]
        for event in read(home / FOLDER / "tiny" / str(seed) / "logs" / "journal")
        if event["step"] == step
    ]


def test_ctrl_c_ends_every_run_of_a_study(home: Path) -> None:
    process = start(LINE, home)
    until(lambda: "done" in events(home, 0, "split") and "done" in events(home, 1, "split"), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    *_, said, again = err.splitlines()
    assert said == "Interrupted. To go on:"
    assert re.fullmatch(rf"  \S*{LINE} -o runs/study", again)
    assert "Traceback" not in err
    assert working_on(home) == []


def test_no_run_outlives_a_killed_study(home: Path) -> None:
    def trainings() -> int:
        return sum(events(home, seed, "train_local").count("start") for seed in (0, 1))

    before = trainings()
    process = start(LINE, home)
    until(lambda: trainings() > before, process)
    assert working_on(home)
    process.kill()
    process.communicate()
    until(lambda: working_on(home) == [])
    until(lambda: not any(held(home / FOLDER / "tiny" / str(seed) / "logs" / "lock") for seed in (0, 1)))


@pytest.fixture(scope="module")
def told(home: Path) -> str:
    """What the study prints that goes on to its end."""
    status, out, err = finished(LINE, home)
    assert (status, err) == (0, ""), out[-2000:]
    return out


def test_a_study_goes_on_where_it_was_killed(told: str, home: Path) -> None:
    for seed in (0, 1):
        assert events(home, seed, "split").count("done") == 1
        assert "reused" in events(home, seed, "split")
    lines = told.splitlines()
    assert lines[0] == "2 runs, 2 at a time" or os.cpu_count() == 1
    pattern = re.compile(r"tiny seed [01]: .* s, (average|coarse|global) 0\.\d{3}")
    assert len([line for line in lines if pattern.fullmatch(line)]) == 2


def test_the_figures_of_a_study_are_those_of_its_runs(told: str, home: Path) -> None:
    found = json.loads((home / FOLDER / "study.json").read_text())["presets"]["tiny"]
    runs = [json.loads((home / FOLDER / "tiny" / str(seed) / "results.json").read_text()) for seed in (0, 1)]
    assert list(found) == ["local 0", "local 1", "local 2", "local 3", "global", "average", "coarse"]
    for name in ("global", "average", "coarse"):
        for figure in ("validation", "train", "test"):
            values = [run["strategies"][name][figure] for run in runs]
            assert found[name][figure]["values"] == values
            assert found[name][figure]["mean"] == pytest.approx(mean(values))
    row = next(line for line in told.splitlines() if line.startswith("coarse "))
    coarse = found["coarse"]
    assert f"{coarse['validation']['mean']:.4f} ({coarse['train']['mean']:.4f})" in row
    for name in ("global", "average", "coarse"):  # a whole with its set-up is more than the training
        for whole, alone in zip(found[name]["cpu_s"]["values"], found[name]["training_cpu_s"]["values"], strict=True):
            assert alone < whole < alone + 60
    assert f"| {' | '.join(re.split(r'  +', row)[:3])} |" in (home / FOLDER / "study.md").read_text()
    assert (home / FOLDER / "study.svg").read_text().startswith("<svg ")


def test_a_finished_study_is_printed_again_at_once(told: str, home: Path) -> None:
    table = told[told.index("\ntiny: seeds 0, 1") :]
    for line in (f"{LINE} -o runs/study", AGAIN):
        began = time.monotonic()
        status, out, err = finished(line, home)
        assert (status, err) == (0, "")
        assert out.count("was finished") == 2
        assert out.endswith(table)
        assert time.monotonic() - began < 20
    assert json.loads((home / FOLDER / "study.json").read_text())["command"] == f"{LINE} -o runs/study"


def test_a_study_of_another_config_is_refused(told: str, home: Path) -> None:
    status, out, err = finished(f"{LINE} --global.epochs 2", home)
    assert (status, out) == (2, "")
    assert "(global.epochs: 1, not 2). Choose another -o." in err.splitlines()[-1]


def test_a_run_that_fails_is_told_and_the_others_count(told: str, home: Path) -> None:
    old, new = home / FOLDER / "tiny" / "1", home / FOLDER / "tiny" / "2"
    new.mkdir()
    (new / "config.toml").write_text((old / "config.toml").read_text().replace("seed = 1 ", "seed = 2 "))
    shutil.copy(old / "run.json", new / "run.json")
    (new / "logs" / "journal").mkdir(parents=True)
    (new / "steps").write_text("in the way")
    status, out, _ = finished(LINE.replace("--seeds 2", "--seeds 3"), home)
    assert status == 1
    (line,) = (line for line in out.splitlines() if line.startswith("tiny seed 2"))
    assert re.match(r"tiny seed 2: failed after .* s: begin failed: ", line)
    assert "tiny: seeds 0, 1; seed 2 did not finish" in out.splitlines()
    cells = json.loads((home / FOLDER / "study.json").read_text())["cells"]
    assert [cell["finished"] for cell in cells] == [True, True, False]
    (new / "steps").unlink()
    status, out, _ = finished(AGAIN, home)
    assert status == 0
    assert "tiny: seeds 0, 1, 2" in out.splitlines()
