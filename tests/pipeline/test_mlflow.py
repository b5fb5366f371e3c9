"""What MLflow holds of a run, whatever happened to the sender; asked with plain mlflow, nothing of ours imported."""

import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from shlex import quote

import mlflow
import pytest
from mlflow.data import get_source
from mlflow.entities import Run

from schwarz.errors import SchwarzError
from schwarz.journal import read
from schwarz.tracking import of_run, parent_id, sync
from schwarz.tracking.sender import Sender
from schwarz.tracking.sync import sending
from tests.pipeline.journals import (
    COMMIT,
    MD5,
    NETWORKS,
    Training,
    begin,
    curves,
    found,
    free_port,
    report,
    sender,
    told,
    train_all,
)
from tests.waiting import until

# mlflow 3.17 on SQLAlchemy 2.1
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the person stands: every run of this module shares its embedded store."""
    return tmp_path_factory.mktemp("place with a space")


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def store(place: Path) -> str:
    return f"sqlite:///{place}/runs/mlflow.db"


def statuses(parent: Run, nested: dict[str, Run]) -> dict[str, str]:
    return {"": parent.info.status} | {name: run.info.status for name, run in nested.items()}


def test_a_run_is_one_parent_with_live_nested_runs(place: Path, store: str) -> None:
    before = os.times()
    run = begin(place / "runs" / "tiny" / "1")
    process = sender(run, place)
    first = Training(run, "train_local-0")
    first.train(1)
    until(lambda: parent_id(run.path) is not None)
    until(lambda: bool(curves(store, run)))  # a curve is there while its network trains
    assert statuses(*found(store, run)) == {"": "RUNNING", "local 0": "RUNNING"}
    process.send_signal(signal.SIGINT)  # Ctrl-C reaches every process of a terminal: the sender still has to finish
    first.train(2)
    first.end()
    for file in list(NETWORKS)[1:]:
        training = Training(run, file)
        training.train(10)
        training.end()
    report(run)
    printed, _ = process.communicate()
    cpu_s = sum(os.times()[2:4]) - sum(before[2:4])

    assert (process.returncode, printed) == (0, "")
    assert cpu_s < 6
    assert curves(store, run) == told(run)
    parent, nested = found(store, run)
    assert statuses(parent, nested) == dict.fromkeys(("", *NETWORKS.values()), "FINISHED")
    assert parent.info.run_name == "tiny-1"
    assert parent.data.params == {"seed": "0", "local.lr": "0.002", "partition.grid": "2x2", "boxes": "4"}
    wanted = {"data.md5": MD5, "git.commit": COMMIT, "mlflow.source.git.commit": COMMIT, "schwarz.run": run.uid}
    assert wanted.items() <= parent.data.tags.items()
    assert "| **global** | 0.9000 |" in parent.data.tags["mlflow.note.content"]
    assert parent.data.metrics["test/global"] == 0.9
    assert nested["local 0"].data.params == {"lr": "0.002", "batch": "32"}
    assert parent.inputs is not None
    [dataset] = [each.dataset for each in parent.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest) == ("sample", MD5)
    assert get_source(dataset).to_dict() == {"tags": {"data.md5": MD5, "git.commit": COMMIT}}
    files = mlflow.MlflowClient(store).list_artifacts(parent.info.run_id)
    assert [file.path for file in files] == ["report.html", "results.json"]
    assert (place / "runs" / "mlartifacts" / parent.info.run_id).is_dir()


def test_processes_that_come_at_once_agree_on_one_parent(here: Path, store: str) -> None:
    run = begin(here / "runs" / "tiny" / "12")
    with ThreadPoolExecutor(4) as pool:
        parents = set(pool.map(lambda _: Sender(of_run(run), store, timeout_s=3).runs.parent, range(4)))
    assert parents == {found(store, run)[0].info.run_id}


def test_epochs_have_the_time_they_ended_at(here: Path, store: str) -> None:
    run = begin(here / "runs" / "tiny" / "2")
    train_all(run, epochs=2)
    sync(run.path)
    client = mlflow.MlflowClient(store)
    nested = found(store, run)[1]["coarse"]
    history = client.get_metric_history(nested.info.run_id, "train_loss")
    journalled = [round(e["t"] * 1000) for e in read(run.journal) if e["event"] == "metric" and e["run"] == "coarse"]
    assert [metric.timestamp for metric in history] == journalled


def test_sender_killed_in_the_middle_loses_and_doubles_nothing(here: Path, store: str) -> None:
    run = begin(here / "runs" / "tiny" / "3")
    sync(run.path)  # the store is there
    trainings = [Training(run, file) for file in NETWORKS]

    def rows() -> int:
        with closing(sqlite3.connect(here / "runs" / "mlflow.db")) as connection:
            return connection.execute("SELECT count(*) FROM metrics").fetchone()[0]

    before = rows()
    for training in trainings:
        training.train(40)
    process = sender(run, here)
    until(lambda: rows() > before, every_s=0.002)  # it has sent some and not yet remembered it
    process.kill()
    process.communicate()
    for training in trainings:
        training.train(2)
        training.end()
    report(run)
    process = sender(run, here)
    assert process.communicate() == ("", None)
    assert curves(store, run) == told(run)
    assert set(statuses(*found(store, run)).values()) == {"FINISHED"}


def test_lines_sent_but_not_remembered_are_not_doubled(here: Path, store: str) -> None:
    run = begin(here / "runs" / "tiny" / "4")
    train_all(run)
    sync(run.path)
    (run.journal / "sent.json").unlink()  # killed between MLflow's answer and the ledger
    sync(run.path)
    assert curves(store, run) == told(run)


def test_failed_run_ends_as_failed_and_is_opened_again_when_resumed(here: Path, store: str) -> None:
    run = begin(here / "runs" / "tiny" / "5")
    Training(run, "train_local-0").train(2)
    Training(run, "train_local-1").journal.write(
        "failed", error="no space left", log="x.log", status=1, interrupted=False
    )
    sync(run.path)
    assert statuses(*found(store, run)) == {"": "FAILED", "local 0": "FAILED", "local 1": "FAILED"}

    begin(run.path)
    before = told(run)
    train_all(run)  # local 0 tells its first two epochs a second time
    report(run)
    sync(run.path)
    assert set(statuses(*found(store, run)).values()) == {"FINISHED"}
    assert before.keys() < told(run).keys()
    assert curves(store, run) == told(run)


def test_interrupted_run_ends_as_killed(here: Path, store: str) -> None:
    fault = {"error": "KeyboardInterrupt: ", "log": "x.log", "status": 1, "interrupted": True}
    for number, events in (("6a", []), ("6b", [fault])):
        run = begin(here / "runs" / "tiny" / number)
        training = Training(run, "train_global")
        training.train(1)
        for event in events:
            training.journal.write("failed", **event)
        sync(run.path)
        assert statuses(*found(store, run)) == {"": "KILLED", "global": "KILLED"}


def test_sync_sends_once_and_says_what(here: Path, store: str) -> None:
    run = begin(here / "runs" / "tiny" / "7")
    train_all(run)
    train_all(run)  # again, as a run that is resumed journals it
    report(run)
    assert sync(run.path) == f"Sent to MLflow at {store}: 54 metrics of 7 runs, results and state."
    assert sync(run.path) == f"MLflow at {store} has all of {run.path}: nothing was sent."


def test_the_experiment_is_one_of_training(here: Path, store: str) -> None:
    run = begin(here / "runs" / "tiny" / "kind")
    sync(run.path)
    experiment = mlflow.MlflowClient(store).get_experiment_by_name("schwarz/tiny")
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"  # not under GenAI in MLflow's UI


def test_sync_leaves_a_run_that_is_being_sent_alone(here: Path) -> None:
    run = begin(here / "runs" / "tiny" / "8")
    with sending(of_run(run)), pytest.raises(SchwarzError, match="its metrics are being sent by another process"):
        sync(run.path)


def test_server_away_stops_nothing_and_sync_sends_all_later(
    here: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(here / "runs" / "tiny" / "9")
    away = f"http://127.0.0.1:{free_port()}"
    process = sender(run, here, {"MLFLOW_TRACKING_URI": away})
    train_all(run)
    report(run)
    until((run.journal / "sent.json").exists)
    ended = time.monotonic()
    printed, _ = process.communicate()
    assert (process.returncode, printed) == (1, "")
    assert time.monotonic() - ended < 5
    [note] = [event["text"] for event in read(run.journal) if event["event"] == "note"]
    assert note.startswith(f"MLflow at {away} does not answer (")
    assert note.endswith(f"`schwarz track sync {run.path}` sends them.")

    with pytest.raises(SchwarzError, match=f"{away} does not answer .* repeat `schwarz track sync") as told_so:
        sync(run.path)  # it knows where the run belongs
    assert f"`MLFLOW_TRACKING_URI={quote(store)} schwarz track sync {quote(str(run.path))}`" in str(told_so.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    sync(run.path)
    assert curves(store, run) == told(run)


def test_kfp_parent_is_used_and_left_to_kfp(here: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = mlflow.MlflowClient(store)
    theirs = client.create_run(client.create_experiment("kubeflow"), run_name="of KFP").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", theirs)
    run = begin(here / "runs" / "tiny" / "10")
    train_all(run)
    report(run)
    sync(run.path)
    nested = client.search_runs([client.get_run(theirs).info.experiment_id], f"tags.`mlflow.parentRunId` = '{theirs}'")
    assert sorted(str(each.info.run_name) for each in nested) == sorted(NETWORKS.values())
    parent = client.get_run(theirs)
    assert (parent.info.run_name, parent.info.status) == ("of KFP", "RUNNING")
    assert parent.data.tags["data.md5"] == MD5
    assert parent_id(run.path) == theirs


def test_deleted_experiment_is_named_with_the_remedy(here: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "thrown away")
    client = mlflow.MlflowClient(store)
    client.delete_experiment(client.create_experiment("thrown away"))
    run = begin(here / "runs" / "tiny" / "11")
    with pytest.raises(SchwarzError, match=r"'thrown away' was deleted .* `mlflow experiments restore -x \d+`"):
        sync(run.path)


def test_a_store_that_is_no_database_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").write_text(
        "this is no database, but it is long enough to look like a header of one " * 9
    )
    monkeypatch.chdir(tmp_path)
    run = begin(tmp_path / "runs" / "tiny" / "1")
    with pytest.raises(SchwarzError, match="file is not a database"):
        sync(run.path)
