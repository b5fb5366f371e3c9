"""What MLflow holds of a run whose steps are pods, none of which sees what another wrote: an embedded store, asked with
plain mlflow. With a real server: tests/machine/server/test_mlflow_pods.py."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from schwarz.cli.track import track
from schwarz.errors import WrongInput
from schwarz.journal import Journal
from schwarz.storage import open_store
from schwarz.tracking import Entry, Unreachable, finish, register_model, sync_spool
from schwarz.tracking.ledger import marker
from schwarz.tracking.runs import NoParent
from schwarz.tracking.sender import Sender
from tests.pipeline.graphs import model
from tests.pipeline.journals import COMMIT, MD5, NETWORKS, Training, curves, found, free_port, told
from tests.pipeline.pods import Pods

# mlflow 3.17: on SQLAlchemy 2.1; when it imports its own pyfunc, where it hides the warning from people
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run of this module shares its embedded store."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def store(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = f"sqlite:///{place}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


@pytest.fixture
def pods(tmp_path: Path) -> Pods:
    return Pods(tmp_path, str(tmp_path / "store"))


def send(pod: "object", store: str, *, alone: bool = False) -> Sender:
    """What the process beside a step does with a whole journal."""
    sender = Sender(pod, store, timeout_s=3, alone=alone)  # pyright: ignore[reportArgumentType]
    sender.send()
    return sender


def statuses(store: str, pods: Pods) -> dict[str, str]:
    parent, nested = found(store, pods.start())
    return {"": parent.info.status} | {name: run.info.status for name, run in nested.items()}


def test_only_who_is_alone_opens_the_parent(pods: Pods, store: str, tmp_path: Path) -> None:
    with pytest.raises(NoParent, match="has no experiment 'schwarz/tiny' yet"):
        send(pods.train("train_global"), store)
    send(Pods(tmp_path / "other", pods.uri).begin(), store, alone=True)  # another run of the preset
    some = [pods.train(f"train_local-{k}") for k in range(4)]
    for pod in some:
        with pytest.raises(NoParent, match=f"MLflow at {store} has no parent run of {pods.uid} yet"):
            send(pod, store)
    parent = send(pods.begin(), store, alone=True).runs.parent
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda pod: send(pod, store).runs.parent, some)) == {parent}
    assert found(store, some[0])[0].info.run_id == parent
    assert statuses(store, pods) == {"": "RUNNING"} | {f"local {k}": "FINISHED" for k in range(4)}


def test_finish_sends_what_is_left_and_ends_every_run(pods: Pods, store: str) -> None:
    some = [pods.begin(), *map(pods.train, NETWORKS)]
    pods.leave(*some)
    pods.report()
    assert finish(pods.start(), open_store(pods.uri)) == (
        f"Sent to MLflow at {store}: 54 metrics of 7 runs, results and state."
    )
    assert curves(store, some[0]) == told(pods.left())
    assert statuses(store, pods) == dict.fromkeys(("", *NETWORKS.values()), "FINISHED")
    parent, _ = found(store, some[0])
    assert parent.info.run_name == f"tiny-{pods.uid[:8]}"
    assert parent.data.params == {"seed": "0", "local.lr": "0.002", "partition.grid": "2x2", "boxes": "4"}
    wanted = {
        "schwarz.run": pods.uid, "data.md5": MD5, "mlflow.source.git.commit": COMMIT,
        "kfp.pipeline_run_id": pods.uid, "kfp.pipeline_run_url": f"/#/runs/details/{pods.uid}",
    }  # fmt: skip
    assert wanted.items() <= parent.data.tags.items()
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("Preset `tiny`, seed 0: vgg9 on the data set `sample`")
    assert "| **global** | 0.9000 |" in note
    assert note.endswith(f"Kubeflow run: `{pods.uid}`")
    assert parent.data.metrics["test/global"] == 0.9
    assert parent.inputs is not None
    assert [each.dataset.digest for each in parent.inputs.dataset_inputs] == [MD5]
    files = mlflow.MlflowClient(store).list_artifacts(parent.info.run_id)
    assert [file.path for file in files] == ["report.html", "results.json"]

    whole = f"MLflow at {store} has all of {pods.uri}/spool/{pods.uid}: nothing was sent."
    assert finish(pods.start(), open_store(pods.uri)) == whole
    done = CliRunner().invoke(track, ["sync", f"{pods.uri}/spool/{pods.uid}"], catch_exceptions=False)
    assert done.output == whole + "\n"


def test_what_was_sent_beside_the_step_is_not_sent_again(pods: Pods, store: str) -> None:
    begun, first, second = pods.begin(), pods.train("train_local-0"), pods.train("train_local-1")
    send(begun, store, alone=True)
    sender = send(first, store)
    pods.leave(begun, first, second)
    pods.spool.put(first.name_of(marker(first.journal_of("train_local-0"))), sender.ledger.file)
    sent = finish(pods.start(), open_store(pods.uri))
    assert sent == f"Sent to MLflow at {store}: 9 metrics of 2 runs, results and state."  # begin's marker is not there
    assert curves(store, begun) == told(pods.left())


def test_pod_killed_and_tried_again_doubles_nothing(pods: Pods, store: str) -> None:
    begun = pods.begin()
    send(begun, store, alone=True)
    killed = pods.start()
    Training(killed, "train_local-0").train(3)
    send(killed, store)
    pods.leave(begun, killed)  # the last copy; nothing says how much of it was sent
    again = pods.train("train_local-0", epochs=5)  # epochs 1 to 3 once more, at another time
    send(again, store)
    assert statuses(store, pods) == {"": "RUNNING", "local 0": "FINISHED"}
    pods.leave(again)
    finish(pods.start(), open_store(pods.uri))
    assert {key: len(values) for key, values in curves(store, begun).items()} == dict.fromkeys(told(pods.left()), 1)


def test_pod_killed_before_it_was_copied_again_loses_no_epoch_of_the_copy(pods: Pods, store: str) -> None:
    begun, killed = pods.begin(), pods.start()
    training = Training(killed, "train_global")
    training.train(4)
    pods.leave(begun, killed)
    training.train(2)  # never copied
    finish(pods.start(), open_store(pods.uri))
    assert curves(store, begun) == told(pods.left())
    assert statuses(store, pods) == {"": "KILLED", "global": "KILLED"}


def test_step_that_failed_ends_all_as_failed(pods: Pods, store: str) -> None:
    begun, pod = pods.begin(), pods.start()
    training = Training(pod, "train_global")
    training.train(1)
    training.journal.write("failed", error="no space left", log="x.log", status=1, interrupted=False)
    pods.leave(begun, pod)
    finish(pods.start(), open_store(pods.uri))
    assert statuses(store, pods) == {"": "FAILED", "global": "FAILED"}


def test_run_made_twice_for_its_answer_was_lost_becomes_one(pods: Pods, store: str) -> None:
    begun, first, second = pods.begin(), pods.train("train_local-0"), pods.train("train_local-1")
    parent = send(begun, store, alone=True).runs.parent
    send(first, store)
    client = mlflow.MlflowClient(store)
    experiment = client.get_run(parent).info.experiment_id
    ours = {"schwarz.run": pods.uid, "mlflow.source.name": "schwarz"}
    for name, tags in (("tiny", {}), ("local 1", {"schwarz.part": "local 1", "mlflow.parentRunId": parent})):
        client.create_run(experiment, tags={**ours, **tags}, run_name=name)
    send(second, store)
    pods.leave(begun, first, second)
    finish(pods.start(), open_store(pods.uri))
    assert curves(store, begun) == told(pods.left())  # there is one parent, and each name once


def test_parent_of_kfp_is_found_above_the_run_of_the_pod_and_left_to_kfp(
    pods: Pods, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow.MlflowClient(store)
    experiment = client.create_experiment("kubeflow")
    theirs = client.create_run(experiment, run_name="of KFP").info.run_id
    begun, pod = pods.begin(), pods.train("train_global")
    for each in (begun, pod):  # KFP's plugin nests a run for every pod, and names that one
        own = client.create_run(experiment, tags={"mlflow.parentRunId": theirs}, run_name="a task").info.run_id
        monkeypatch.setenv("MLFLOW_RUN_ID", own)
        sender = send(each, store, alone=each is begun)
        assert sender.runs.parent == theirs
        pods.leave(each)
        pods.spool.put(each.name_of(marker(next(each.journal.glob("*.jsonl")))), sender.ledger.file)
    monkeypatch.delenv("MLFLOW_RUN_ID")  # whoever sends the rest from elsewhere
    sync_spool(open_store(f"{pods.uri}/spool/{pods.uid}"))
    parent = client.get_run(theirs)
    assert (parent.info.run_name, parent.info.status) == ("of KFP", "RUNNING")
    assert parent.data.tags["data.md5"] == MD5
    nested = client.search_runs([experiment], f"tags.`schwarz.run` = '{pods.uid}'")
    assert sorted(str(run.info.run_name) for run in nested) == ["global", "of KFP"]


def test_model_that_could_not_be_registered_waits_in_the_spool(
    pods: Pods, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, pod = pods.begin(), pods.start()
    pods.leave(begun)
    entry = Entry(model(tmp_path / "global.onnx"), "pods", {"strategy": "global"}, {"test_accuracy": 0.9}, ["a", "b"])
    away = f"http://127.0.0.1:{free_port()}"
    remedy = f"`schwarz track sync {pods.uri}/spool/{pods.uid}` does it"
    for uri, reason in ((away, "does not answer"), (None, "MLFLOW_TRACKING_URI is not set")):
        with pytest.raises(Unreachable, match=f"{reason}.* {remedy}"):
            register_model(pod, entry, np.zeros((1, 1, 2, 2), np.uint8), uri, pods.spool)
    entry.path.unlink()
    pods.report()
    sent = finish(pods.start(), open_store(pods.uri))
    assert "model pods version 1 (champion), results and state" in sent
    parent, _ = found(store, begun)
    client = mlflow.MlflowClient(store, registry_uri=store)
    assert client.get_model_version("pods", "1").run_id == parent.info.run_id
    left = pods.left()
    assert not left.pending.exists()
    results = left.results()
    assert results is not None
    assert results["model"]["registered"]["uri"] == "models:/pods/1"
    assert finish(pods.start(), open_store(pods.uri)).endswith("nothing was sent.")


def test_model_is_registered_from_a_pod_at_once_where_mlflow_answers(pods: Pods, store: str, tmp_path: Path) -> None:
    parent = send(pods.begin(), store, alone=True).runs.parent
    entry = Entry(model(tmp_path / "global.onnx"), "at once", {}, {"test_accuracy": 0.9}, ["a", "b"])
    registered = register_model(pods.start(), entry, np.zeros((1, 1, 2, 2), np.uint8), store, pods.spool)
    assert (registered["uri"], registered["run_id"]) == ("models:/at once/1", parent)


def test_without_a_server_finish_says_where_the_rest_lies(pods: Pods) -> None:
    pods.leave(pods.begin())
    with pytest.raises(WrongInput, match=f"`schwarz track sync {pods.uri}/spool/{pods.uid}`"):
        finish(pods.start(), open_store(pods.uri))


def test_a_place_that_is_no_spool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="no pod left anything there"):
        sync_spool(open_store(str(tmp_path / "spool" / "1")))


def test_the_journal_of_another_step_tells_its_time(pods: Pods, store: str) -> None:
    """`finish` is told nothing by a pod whose step said nothing of MLflow."""
    pod = pods.start()
    Journal(pod.journal_of("split"), "split").write("done", wall_s=0.1, cpu_s=0.1, metrics={})
    pods.leave(pods.begin(), pod)
    finish(pods.start(), open_store(pods.uri))
    assert statuses(store, pods) == {"": "KILLED"}
