"""A run folder and a real MLflow server that is away, comes, hangs and wakes again."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow.artifacts import download_artifacts

from schwarz.errors import SchwarzError
from schwarz.journal import read
from schwarz.stack import Stack
from schwarz.tracking import Entry, Unreachable, of_run, parent_id, register_model, sync
from tests.machine.server.faults import Gate, hung
from tests.pipeline.graphs import model
from tests.pipeline.journals import begin, curves, found, report, sender, told, train_all
from tests.waiting import until

# mlflow 3.17 when it imports its own pyfunc, where it hides the warning from people
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


@pytest.fixture
def here(tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in stack.tracking.environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def gate(here: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The way to MLflow."""
    gate = Gate(stack.tracking.address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", gate.uri)
    yield gate
    gate.close()


def test_away_during_the_run_then_sync(here: Path, gate: Gate) -> None:
    gate.close()
    run = begin(here / "runs" / "tiny" / "1")
    train_all(run)
    report(run)
    assert sender(run, here).communicate() == ("", None)
    entry = Entry(model(run.path / "model" / "global.onnx"), "remote", {}, {"test_accuracy": 0.9}, ["a", "b", "c", "d"])
    with pytest.raises(Unreachable, match=f"{gate.uri} does not answer"):
        register_model(of_run(run), entry, np.zeros((1, 1, 2, 2), np.uint8), gate.uri)
    with pytest.raises(SchwarzError, match=f"{gate.uri} does not answer"):
        sync(run.path)

    gate.open()
    assert "54 metrics of 7 runs, model remote version 1 (champion)" in sync(run.path)
    assert curves(gate.uri, run) == told(run)
    parent, _ = found(gate.uri, run)
    assert parent.info.status == "FINISHED"
    for name in ("report.html", "results.json"):
        kept = download_artifacts(run_id=parent.info.run_id, artifact_path=name, tracking_uri=gate.uri)
        assert Path(kept).read_bytes() == (run.path / name).read_bytes()
    folder = Path(download_artifacts("models:/remote@champion", tracking_uri=gate.uri))
    assert (folder / "model.onnx").read_bytes() == entry.path.read_bytes()


def test_hung_during_the_run_then_awake(here: Path, stack: Stack) -> None:
    uri = stack.tracking.address
    run = begin(here / "runs" / "tiny" / "2")
    process = sender(run, here)
    train_all(run, epochs=1)
    until(lambda: parent_id(run.path) is not None)
    until(lambda: bool(curves(uri, run)), every_s=0.5)
    with hung(stack.tracking):
        train_all(run)
        report(run)
        time.sleep(2)  # now the sender is in the middle of a request that gets no answer
        ended = time.monotonic()
        printed, _ = process.communicate()
        spent_s = time.monotonic() - ended

    assert (process.returncode, printed) == (1, "")
    assert spent_s < 8  # 5, and what a busy machine adds
    [note] = [event["text"] for event in read(run.journal) if event["event"] == "note"]
    assert "does not answer (no answer within 2 s)" in note
    sync(run.path)
    assert curves(uri, run) == told(run)
    parent, nested = found(uri, run)
    assert {each.info.status for each in (parent, *nested.values())} == {"FINISHED"}
