"""A command line in this process, a small checkout to stand in, and a short pipeline that writes a real run."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schwarz import data, storage
from schwarz.cli import follow
from schwarz.cli.entry import status
from schwarz.tracking.ledger import Ledger

ROOT = Path(__file__).parents[3]
MLFLOW_ID = "0" * 32


@dataclass
class Told:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.err.strip().splitlines()[-1]


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of the sample images; in a fresh clone they are fetched."""
    return storage.fetch(data.describe(ROOT, "sample"))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that knows the sample, as the current one."""
    (tmp_path / "data.dvc").write_text((ROOT / "data.dvc").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def schwarz(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Run one command line in this process."""

    def run(*arguments: object) -> Told:
        number = status([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Told(number, out, err)

    return run


@pytest.fixture
def results() -> dict[str, Any]:
    """What a run of two strategies writes."""
    row = {"low": 0.8, "high": 0.9, "validation": 0.86, "train": 0.9, "cpu_s": 12.3, "parameters": 100,
           "learned_from_validation": False}  # fmt: skip
    registered = {"name": "tiny", "version": "1", "alias": "champion", "uri": "models:/tiny/1", "file": "coarse.onnx"}
    return {
        "schema": 3,
        "preset": "tiny",
        "seed": 0,
        "created": "2026-01-01T00:00:00+00:00",
        "chance": 0.1,
        "data": {"validation_is_test": False},
        "strategies": {"average": {"test": 0.84, **row}, "coarse": {"test": 0.85, **row}},
        "best": "coarse",
        "model": {"file": "model/coarse.onnx", "strategy": "coarse", "registered": registered, "int8": None},
        "lineage": {"tracking_uri": "sqlite:////somewhere/runs/mlflow.db", "mlflow_run_id": MLFLOW_ID},
        "run": {"wall_s": 63.0, "cpu_s": 100.0, "peak_memory_mb": 900.0, "runner": "python"},
    }


PIPELINE = """
import json, os, sys, time
from pathlib import Path
from schwarz.journal import Journal
run = Path(sys.argv[1])
assert os.environ["SCHWARZ_RUN"] == str(run)
def journal(step, part=""):
    return Journal(run / "logs" / "journal" / f"{step}{part and '-' + part}.jsonl", step, part)
def step(name, part, title):
    j = journal(name, part)
    j.write("start", title=title)
    j.write("progress", done=1, total=2)
    j.write("done", wall_s=1.5, cpu_s=1.0, metrics={"validation_accuracy": 0.75})
def finish():
    (run / "model").mkdir(exist_ok=True)
    (run / "model" / "coarse.onnx").write_bytes(b"")
    (run / "report.html").write_text("")
    (run / "results.json").write_text(json.dumps(RESULTS))
print("a line for the log", file=sys.stderr, flush=True)
"""


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: dict[str, Any]) -> Callable[[str], Path]:
    """Let `run` start a script in place of the pipeline; it has `step`, `journal`, `finish` and RESULTS at hand."""

    def use(body: str) -> Path:
        script = tmp_path / "pipeline_script.py"
        script.write_text(PIPELINE.replace("RESULTS", repr(results)) + body)
        # a real child that writes a real journal: the pipeline takes a minute, and cannot be made to fail like this
        monkeypatch.setattr(follow, "pipeline_command", lambda run, _: [sys.executable, str(script), str(run)])
        monkeypatch.setattr(follow, "sender_command", lambda _: [sys.executable, "-c", "import sys; sys.stdin.read()"])
        return script

    return use


@pytest.fixture
def run_folder(checkout: Path, results: dict[str, Any]) -> Path:
    """A finished run in ./runs/tiny/1, which MLflow calls MLFLOW_ID."""
    from schwarz.presets import preset
    from schwarz.runs import create

    run = create(preset("tiny"))
    (run.path / "model").mkdir()
    (run.path / "model" / "coarse.onnx").write_bytes(b"")
    (run.path / "report.html").write_text("")
    (run.path / "results.json").write_text(json.dumps(results))
    ledger = Ledger(run.path, results["lineage"]["tracking_uri"])
    ledger.kept.parent = MLFLOW_ID
    ledger.save()
    return run.path


@pytest.fixture
def alone(checkout: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run one command line in a process of its own."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from schwarz.cli import main; main()", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=checkout)

    return run


@pytest.fixture
def sample_here(checkout: Path, sample: Path) -> None:
    """The sample in the checkout, so that it need not be fetched."""
    (checkout / "data").symlink_to(sample)
