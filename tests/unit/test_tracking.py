"""Finding the store and asking whether it answers; what is remembered of it; the description of a run."""

import math
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from schwarz import tracking
from schwarz.files import write_json
from schwarz.presets import preset
from schwarz.runs import create
from schwarz.tracking.client import Point, open_client
from schwarz.tracking.ledger import Ledger, address, marker, merge
from schwarz.tracking.library import Library
from schwarz.tracking.rest import Rest, metric
from schwarz.tracking.server import refused
from schwarz.tracking.summary import note


def test_importing_it_is_light() -> None:
    loaded = (
        "import schwarz.tracking, sys; print([m for m in ('mlflow', 'numpy', 'onnx', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_runs_beside_every_step_of_a_pod_is_light() -> None:
    loaded = (
        "import schwarz.tracking.follower, schwarz.tracking.rest, sys; "
        "print([m for m in ('mlflow', 'numpy', 'pydantic', 'requests', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_store_is_the_one_in_the_environment_else_beside_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking.default_uri(Path("/home/me")) == "sqlite:////home/me/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert tracking.default_uri(Path("/home/me")) == "http://mlflow:5000"


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("https://me:secret@mlflow.example/path", "https://mlflow.example/path"),
        ("postgresql://me:p@ss@db/mlflow", "postgresql://db/mlflow"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////home/me@work/runs/mlflow.db", "sqlite:////home/me@work/runs/mlflow.db"),
    ],
)
def test_credentials_are_not_shown(uri: str, told: str) -> None:
    assert tracking.shown(uri) == told


@contextmanager
def answering(status: int) -> Iterator[str]:
    """An HTTP server that answers everything with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "reason"), [(200, None), (401, None), (404, None), (503, "it answers 503")])
def test_a_server_that_answers_is_reachable_unless_it_is_broken(status: int, reason: str | None) -> None:
    with answering(status) as uri:
        assert tracking.reachable(uri) == reason
        assert tracking.reachable(uri.replace("//", "//me:secret@") + "/") == reason


def test_a_server_that_takes_connections_and_says_nothing_is_not_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        reason = tracking.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3)
        assert time.monotonic() - start < 2
    assert reason is not None
    assert "no answer within 0.3 s" in reason or "timed out" in reason


def test_nobody_listening_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert "refused" in str(tracking.reachable(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize("uri", ["127.0.0.1:5000", "localhost:5000", "/var/mlruns", ""])
def test_what_is_no_address_is_said_so(uri: str) -> None:
    assert "is no address of MLflow; one looks like http://127.0.0.1:5000" in str(tracking.reachable(uri))


def test_embedded_store_can_be_made_used_or_is_refused(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert tracking.reachable(store) is None
    assert not (tmp_path / "runs").exists()  # asking leaves nothing behind
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").write_bytes(b"x" * 1000)
    assert "file is not a database" in str(tracking.reachable(store))


def test_embedded_store_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    reason = tracking.reachable(f"sqlite:///{tmp_path}/runs/mlflow.db")
    assert reason == f"{tmp_path}/runs is no folder that can be written to"


def test_each_server_has_its_own_account_without_credentials(tmp_path: Path) -> None:
    assert tracking.parent_id(tmp_path) is None
    first = Ledger(tmp_path, "http://me:secret@one:5000")
    first.kept.parent, first.kept.offsets = "1f", {"begin.jsonl": 10}
    first.save()
    Ledger(tmp_path, "http://two:5000").save()
    assert (address(tmp_path), tracking.parent_id(tmp_path)) == ("http://two:5000", None)
    assert tracking.is_parent(tmp_path, "1f")
    assert not tracking.is_parent(tmp_path, "2f")
    again = Ledger(tmp_path, "http://you:other@one:5000")
    assert again.kept == first.kept
    again.save()
    assert (address(tmp_path), tracking.parent_id(tmp_path)) == ("http://one:5000", "1f")
    assert "secret" not in again.file.read_text()


def test_ledgers_of_pods_become_one(tmp_path: Path) -> None:
    for k, offset in enumerate((10, 20)):
        pod = tracking.in_pod(tmp_path / f"pod-{k}", "1f", "tiny", "s3://b/store")
        ledger = Ledger(pod.path, "http://one:5000")
        journal = pod.journal_of(f"train_local-{k}")
        ledger.kept.parent, ledger.kept.given, ledger.kept.offsets = "2f", True, {journal.name: offset}
        ledger.save()
        there = tmp_path / "spool" / marker(journal).relative_to(pod.path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(ledger.file.read_bytes())
    merge(tmp_path / "spool")
    kept = Ledger(tmp_path / "spool", "http://one:5000").kept
    assert address(tmp_path / "spool") == "http://one:5000"
    assert (kept.parent, kept.given, sorted(kept.offsets.values())) == ("2f", True, [10, 20])


def test_pod_that_is_tried_again_has_another_journal(tmp_path: Path) -> None:
    first, second = (tracking.in_pod(tmp_path / name, "1f", "tiny", "s3://b/store/") for name in ("a", "b"))
    names = [pod.journal_of("train_local-3").name for pod in (first, second)]
    assert len(set(names)) == 2
    assert all(name.startswith("train_local-3.") and name.endswith(".jsonl") for name in names)
    assert first.place == "s3://b/store/spool/1f"


def test_run_folder_names_a_journal_by_its_step(tmp_path: Path) -> None:
    run = tracking.of_run(create(preset("tiny"), tmp_path / "run"))
    assert run.journal_of("train_local-3") == tmp_path / "run" / "logs" / "journal" / "train_local-3.jsonl"


@pytest.mark.parametrize(
    ("environment", "uri", "header"),
    [
        ({}, "http://one", None),
        ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "p:w"}, "http://one", "Basic bWU6cDp3"),
        ({}, "http://me:p%40w@one", "Basic bWU6cEB3"),
        ({"MLFLOW_TRACKING_TOKEN": "t0k"}, "http://one", "Bearer t0k"),
    ],
)
def test_logs_in_as_mlflow_does(
    environment: dict[str, str], uri: str, header: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = open_client(uri, 3)
    assert isinstance(client, Rest)
    assert client.login.get("Authorization") == header
    assert client.base == "http://one"


def test_ways_to_log_in_that_only_mlflow_knows_are_left_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert isinstance(open_client("http://one", 3), Rest)
    (tmp_path / ".netrc").write_text("machine one login me password p\n")
    assert isinstance(open_client("http://one", 3), Library)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    assert isinstance(open_client("http://one", 3), Rest)
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "kubernetes")
    assert isinstance(open_client("http://one", 3), Library)


def test_what_json_has_no_number_for_is_sent_as_mlflow_reads_it() -> None:
    values = [metric(Point("loss", value, 1, 2))["value"] for value in (0.5, math.nan, math.inf, -math.inf)]
    assert values == [0.5, "NaN", "Infinity", "-Infinity"]


def test_password_is_in_no_refusal() -> None:
    for status in (401, 403, 500):
        told = refused("http://me:hunter2@one", status, "http://me:hunter2@one is wrong")
        assert "hunter2" not in told
        assert told.startswith("MLflow at http://one ")


def test_description_says_what_it_is_then_what_came_out(tmp_path: Path) -> None:
    run = tracking.of_run(create(preset("tiny"), tmp_path / "run"))
    assert note(run).startswith("Preset `tiny`, seed 0: vgg9 on the data set `sample`, images cut 2x2 with overlap 0.")
    assert "No results yet." in note(run)
    row = {"test": 0.85, "low": 0.83, "high": 0.87, "validation": 0.86, "cpu_s": 31.25}
    model = {"file": "model/coarse.onnx"}
    results = {"chance": 0.1, "best": "coarse", "strategies": {"global": row, "coarse": row}, "model": model}
    write_json(run.path / "results.json", {**results, "data": {"validation_is_test": False}})
    assert "| global | 0.8500 | 0.8300 to 0.8700 | 0.8600 | 31.2 |" in note(run)
    assert "| **coarse** |" in note(run)
    assert f"Model: `{run.path}/model/coarse.onnx`" in note(run)
    assert "flatters" not in note(run)
    write_json(run.path / "results.json", {**results, "data": {"validation_is_test": True}})
    assert "The validation images are the test images: " in note(run)
