"""A real MLflow server that is away, comes, hangs and wakes again; started once, for it takes 13 CPU-seconds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.artifacts import download_artifacts

from schwarz.errors import SchwarzError
from schwarz.journal import read
from schwarz.runs import RunFolder
from schwarz.tracking import Entry, Unreachable, reachable, register_model, sync
from tests.pipeline.graphs import model
from tests.pipeline.journals import begin, curves, found, free_port, report, sender, told, train_all

# mlflow 3.17 when it imports its own pyfunc, where it hides the warning from people
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


class Server:
    """`mlflow server` with its workers, as one process group."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        kept = ["--artifacts-destination", str(self.folder / "kept")]
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *store, *kept, *place],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )
        end = time.monotonic() + 120
        while reason := reachable(self.uri):
            assert time.monotonic() < end, reason
            time.sleep(0.5)

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process:
            self.signal(signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def here(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    return tmp_path


def test_away_during_the_run_then_sync(here: Path, server: Server) -> None:
    run = begin(here / "runs" / "tiny" / "1")
    train_all(run)
    report(run)
    assert sender(run, here).communicate() == ("", None)
    entry = Entry(model(run.path / "model" / "global.onnx"), "remote", {}, {"test_accuracy": 0.9}, ["a", "b", "c", "d"])
    with pytest.raises(Unreachable, match=f"{server.uri} does not answer"):
        register_model(run.path, entry, np.zeros((1, 1, 2, 2), np.uint8), server.uri)
    with pytest.raises(SchwarzError, match=f"{server.uri} does not answer"):
        sync(run.path)

    server.start()
    assert "54 metrics of 7 runs, model remote version 1 (champion)" in sync(run.path)
    assert curves(server.uri, run) == told(run)
    parent, _ = found(server.uri, run)
    assert parent.info.status == "FINISHED"
    for name in ("report.html", "results.json"):
        kept = download_artifacts(run_id=parent.info.run_id, artifact_path=name, tracking_uri=server.uri)
        assert Path(kept).read_bytes() == (run.path / name).read_bytes()
    folder = Path(download_artifacts("models:/remote@champion", tracking_uri=server.uri))
    assert (folder / "model.onnx").read_bytes() == entry.path.read_bytes()


def test_hung_during_the_run_then_awake(here: Path, server: Server) -> None:
    run = begin(here / "runs" / "tiny" / "2")
    process = sender(run, here)
    train_all(run, epochs=1)
    while not curves_there(server, run):
        time.sleep(0.5)
    server.signal(signal.SIGSTOP)
    train_all(run)
    report(run)
    time.sleep(2)  # now the sender is in the middle of a request that gets no answer
    ended = time.monotonic()
    printed, _ = process.communicate()
    spent_s = time.monotonic() - ended
    server.signal(signal.SIGCONT)

    assert (process.returncode, printed) == (1, "")
    assert spent_s < 8  # 5, and what a busy machine adds
    [note] = [event["text"] for event in read(run.journal) if event["event"] == "note"]
    assert "does not answer (no answer within 2 s)" in note
    sync(run.path)
    assert curves(server.uri, run) == told(run)
    parent, nested = found(server.uri, run)
    assert {each.info.status for each in (parent, *nested.values())} == {"FINISHED"}


def curves_there(server: Server, run: RunFolder) -> bool:
    """Whether the server has any metric of the run yet."""
    client = mlflow.MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("schwarz/tiny")
    runs = client.search_runs([experiment.experiment_id], f"tags.`schwarz.run` = '{run.uid}'") if experiment else []
    return any(each.data.metrics for each in runs)
