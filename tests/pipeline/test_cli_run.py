"""The command line around the real pipeline: a whole run, one that is interrupted, and all that is done with a run.

The examples of `run`, `resume`, `verify`, `track sync` and `compile` are run here.
"""

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.images import own
from schwarz.cli.completion import commands
from schwarz.cli.entry import schwarz
from schwarz.cli.grammar import Command
from schwarz.config import STRATEGIES
from schwarz.document import document
from schwarz.platform_file import EXAMPLE
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


@pytest.mark.parametrize("line", [line for line in EXAMPLES["track sync"] if "s3://" not in line])  # that needs a store
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


def test_the_report_is_drawn_anew_from_what_the_run_left(told: str, home: Path):
    page = home / "runs" / "tiny" / "1" / "report.html"
    before = page.read_bytes()
    page.unlink()
    for line, path in zip(EXAMPLES["report"], (page, home / "page.html"), strict=True):
        assert finished(line, home) == (0, f"{path.as_uri()}\n", "")
        assert path.read_bytes() == before


def test_a_step_that_was_changed_is_not_reported(told: str, home: Path):
    changed = another(home, "changed")
    (changed / "steps" / "evaluate" / "mistakes.json").write_text("[]")
    status, _, err = finished("schwarz report runs/tiny/changed", home)
    assert status == 2
    assert "steps/evaluate is not as it was written" in err
    (changed / "results.json").write_text(json.dumps({**results_of(changed), "schema": 1}))
    status, _, err = finished("schwarz compare tiny/1 tiny/changed", home)
    assert status == 2
    assert "of another version of schwarz" in err
    assert err.strip().endswith("makes it.")


def test_two_runs_are_compared_on_the_same_images(told: str, home: Path):
    """The second one is the first, but that its `global` answers as `average` did."""
    copy, own = another(home, "2"), home / "runs" / "tiny" / "1"
    names = {"global": "average"}
    answers = {name: (own / "steps" / "evaluate" / "probabilities" / f"{name}.npy") for name in STRATEGIES}
    results = results_of(copy)
    for name, other in names.items():
        file = copy / "steps" / "evaluate" / "probabilities" / f"{name}.npy"
        file.write_bytes(answers[other].read_bytes())
        results["strategies"][name]["test"] = results["strategies"][other]["test"]
    (copy / "results.json").write_text(json.dumps(results))
    done = json.loads((copy / "steps" / "evaluate" / "done.json").read_text())
    done["files"]["probabilities/global.npy"] = done["files"]["probabilities/average.npy"]
    (copy / "steps" / "evaluate" / "done.json").write_text(json.dumps(done))

    line, as_json = EXAMPLES["compare"]
    status, out, err = finished(line, home)
    assert (status, err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith(STRATEGIES)}
    first = results_of(own)["strategies"]
    moved = first["average"]["test"] - first["global"]["test"]
    assert rows["global"][:3] == [f"{first['global']['test']:.4f}", f"{first['average']['test']:.4f}", f"{moved:+.4f}"]
    assert all(rows[name][2] == "+0.0000" for name in STRATEGIES if name != "global")
    (found,) = json.loads(finished(as_json, home)[1])
    pair = found["pairs"][list(found["strategies"]).index("global")]
    assert pair["difference"] == pytest.approx(moved)
    assert pair["low"] <= moved <= pair["high"]
    assert all(each["p"] == 1 for each in found["pairs"] if each is not pair)
    assert finished("schwarz compare tiny/1 tiny/1", home)[0] == 2
    assert finished("schwarz compare tiny/1", home)[0] == 2


def test_runs_on_other_test_images_are_not_paired(told: str, home: Path):
    other = another(home, "3")
    results = results_of(other)
    results["data"]["md5"] = "0" * 32
    (other / "results.json").write_text(json.dumps(results))
    status, out, _ = finished("schwarz compare tiny/1 tiny/3", home)
    assert status == 0
    assert "not the same: the differences are not paired" in out
    assert "95% interval" not in out


def results_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text())


def another(home: Path, name: str) -> Path:
    """A copy of the run that is a run of its own."""
    folder = home / "runs" / "tiny" / name
    shutil.copytree(home / "runs" / "tiny" / "1", folder)
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**about, "uid": f"{name:0>32}"}))
    return folder


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
    assert shlex.split(command)[1:] == ["resume", str(tmp_path / "runs" / "tiny" / "1"), "--runner", "python"]

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
    (tmp_path / "cluster.toml").write_text(document(EXAMPLE))
    image = "example.org/schwarz:1"
    status, out, err = finished(line, tmp_path, SCHWARZ_IMAGE=image)
    assert (status, err) == (0, "")
    (file,) = tmp_path.glob("*.yaml")
    assert f"{file}: the pipeline of {shlex.split(line)[2]}, in {image}." in out
    assert ("share no store" in out) == ("--platform" not in line)
    assert f"run create -e {shlex.split(line)[2]} -f {file.name}" in out
    assert "root" in next(yaml.safe_load_all(file.read_text()))
    assert set(re.findall(r"image: (\S+)", file.read_text())) == {image}


def test_a_compiled_pipeline_names_the_image_of_this_very_tree(tmp_path: Path):
    status, out, err = finished("schwarz compile tiny", tmp_path)
    assert (status, err) == (0, "")
    assert set(re.findall(r"image: (\S+)", (tmp_path / "train.yaml").read_text())) == {own()}
    assert f", in {own()}." in out


def test_an_image_whose_tag_moves_is_not_compiled_in(tmp_path: Path):
    status, _, err = finished("schwarz compile tiny", tmp_path, SCHWARZ_IMAGE="example.org/schwarz:latest")
    assert status == 2
    assert "SCHWARZ_IMAGE: 'example.org/schwarz:latest' has the tag 'latest', which moves" in err.splitlines()[-1]
    assert not (tmp_path / "train.yaml").exists()
