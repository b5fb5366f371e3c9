"""The command line around the real pipeline: a whole run, one that is interrupted, and all that is done with a run.

The examples of `run`, `resume`, `verify`, `track sync` and `compile` are run here.
"""

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schwarz.cli.completion import commands
from schwarz.cli.entry import schwarz
from schwarz.cli.grammar import Command
from schwarz.config import STRATEGIES
from tests.waiting import until

OURS = ("SCHWARZ_", "MLFLOW_", "AWS_", "KFP_", "NO_COLOR")
DEAD = "http://127.0.0.1:9"  # nobody listens on the port `discard`
EXAMPLES = {path: command.examples for path, command in commands(schwarz) if isinstance(command, Command)}
SUMMARY = ("strategy", *STRATEGIES)


def start(line: str, folder: Path, **settings: str) -> subprocess.Popen[str]:
    """A command line as a person types it, its output in pipes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    program, *arguments = shlex.split(line)
    assert Path(program).name == "schwarz"
    return subprocess.Popen(
        [sys.executable, "-c", "from schwarz.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment | settings,
    )


def finished(line: str, folder: Path, **settings: str) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of a command line."""
    process = start(line, folder, **settings)
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def told(home: Path) -> str:
    """What the default run prints in a pipe; the run is runs/tiny/1."""
    assert EXAMPLES["run"][0] == "schwarz run tiny"
    status, out, err = finished(EXAMPLES["run"][0], home)
    assert (status, err) == (0, ""), out[-2000:]
    return out


def test_a_run_tells_little_and_warns_of_nothing(told: str):
    assert "\x1b" not in told
    assert "arning" not in told
    progress, _, summary = told.partition("\n\n")
    titles = [line[:16].strip() for line in progress.splitlines()[1:]]
    assert {"begin", "split", "local 0", "local 3", "coarse net", "composed_tuned", "report"} <= set(titles)
    assert max(titles.count(title) for title in titles) <= 3
    assert len([line for line in summary.splitlines() if not line.startswith(SUMMARY)]) + 1 <= 12


def test_a_run_ends_with_the_table_the_paths_and_the_next_commands(told: str, home: Path):
    summary = told.partition("\n\n")[2]
    rows = [line.split()[0] for line in summary.splitlines() if line.startswith(STRATEGIES)]
    assert rows == list(STRATEGIES)
    assert "Chance is 0.100" in summary
    folder = home / "runs" / "tiny" / "1"
    for path in (folder, folder / "report.html"):
        assert f" {path}\n" in summary
        assert path.exists()
    (model,) = (folder / "model").glob("*.onnx")
    assert f" {model}  (tiny version 1, champion)" in summary
    assert f"mlflow ui --backend-store-uri sqlite:///{home}/runs/mlflow.db" in summary
    assert [shlex.split(line)[-2:] for line in summary.splitlines()[-2:]] == [["--seed", "1"], ["-o", "train.yaml"]]


def test_the_index_names_all_that_lies_in_the_run_folder(told: str, home: Path):
    folder = home / "runs" / "tiny" / "1"
    index = (folder / "INDEX.md").read_text()
    names = [path.name for path in folder.iterdir() if path.name != "INDEX.md"]
    assert {"config.toml", "results.json", "report.html", "model"} <= set(names)
    assert len(names) <= 25
    assert all(f"`{name}" in index for name in names), names


def test_the_run_is_listed(told: str, home: Path):
    status, out, _ = finished("schwarz runs --json", home)
    (entry,) = json.loads(out)
    assert status == 0
    assert (entry["run"], entry["state"], entry["chance"]) == ("runs/tiny/1", "finished", 0.1)


@pytest.mark.parametrize("line", [EXAMPLES["resume"][0], "schwarz run tiny --out runs/tiny/1"])
def test_a_finished_run_is_left_as_it_is(told: str, home: Path, line: str):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    status, out, err = finished(line, home)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (status, err) == (0, "")
    assert "is finished: nothing was left to do" in out
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


@pytest.mark.parametrize("line", EXAMPLES["track sync"])
def test_all_metrics_were_sent(told: str, home: Path, line: str):
    status, out, err = finished(line, home)
    assert (status, err) == (0, "")
    assert "nothing was sent" in out


@pytest.mark.parametrize("line", EXAMPLES["verify"])
def test_what_composing_kept_is_verified(told: str, home: Path, line: str):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    status, out, err = finished(line, home)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (status, err) == (0, "")
    assert out
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 15


def test_an_interrupted_run_goes_on_and_reuses_what_is_done(tmp_path: Path):
    """On the way MLflow is away: the run goes on, says so once, and the metrics are sent later."""
    process = start(EXAMPLES["run"][1], tmp_path, MLFLOW_TRACKING_URI=DEAD)
    journal = tmp_path / "runs" / "tiny" / "1" / "logs" / "journal" / "train_local-1.jsonl"
    until(journal.exists, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in out + err
    command = err.splitlines()[-1].strip()
    assert shlex.split(command)[1:] == ["resume", str(tmp_path / "runs" / "tiny" / "1")]

    status, out, err = finished(EXAMPLES["resume"][1], tmp_path, MLFLOW_TRACKING_URI=DEAD)
    assert (status, err) == (0, "")
    assert "split            reused" in out
    assert "; reused " in out
    notes = [line for line in out.splitlines() if "schwarz track sync" in line]
    assert sorted("registered" in note for note in notes) == [False, True]  # the metrics, and the model

    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    status, out, err = finished("schwarz track sync tiny/1", tmp_path, MLFLOW_TRACKING_URI=store)
    assert (status, err) == (0, ""), out
    assert "model tiny version 1 (champion)" in out


@pytest.mark.parametrize("line", EXAMPLES["compile"])
def test_a_pipeline_is_compiled(tmp_path: Path, line: str):
    status, out, err = finished(line, tmp_path)
    assert (status, err) == (0, "")
    (file,) = tmp_path.glob("*.yaml")
    assert str(file) in out
    assert f"kfp run create -e {shlex.split(line)[2]} -f {file.name}" in out
    assert "root" in next(yaml.safe_load_all(file.read_text()))
