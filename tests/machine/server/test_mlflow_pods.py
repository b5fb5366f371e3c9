"""Pods beside a real MLflow server with a login, their spool in a real object store: what each fault costs a step, and
that nothing is lost or doubled by it. The steps are real processes that journal; asked with plain mlflow."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.artifacts import download_artifacts

from schwarz.errors import SchwarzError
from schwarz.stack import Stack
from schwarz.storage import open_store
from schwarz.tracking import Entry, Tracked, Unreachable, beside, finish, register_model, sync_spool, trouble
from tests.machine.server.faults import Gate, hung
from tests.pipeline.graphs import model
from tests.pipeline.journals import Training, curves, found, told
from tests.pipeline.pods import Pods
from tests.waiting import until

# mlflow 3.17 when it imports its own pyfunc, where it hides the warning from people
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

STALL_S = 0.9
BUSY_S = 0.5  # what a machine that does other things adds to an end


@pytest.fixture
def environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a pod gets: both servers, and the ways to log in."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    return stack.environment()


@pytest.fixture
def pods(tmp_path: Path, environment: dict[str, str]) -> Pods:
    return Pods(tmp_path, f"{environment['SCHWARZ_STORE']}/{uuid.uuid4().hex}")


@pytest.fixture
def gate(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The way from the pods to MLflow."""
    gate = Gate(environment["MLFLOW_TRACKING_URI"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", gate.uri)
    yield gate
    gate.close()


@pytest.fixture
def uri(environment: dict[str, str]) -> str:
    return environment["MLFLOW_TRACKING_URI"]


@dataclass
class Ended:
    """A pod, and how long the end of its step took."""

    pod: Tracked
    seconds: float = 0.0


@contextmanager
def step(pods: Pods, *, alone: bool = False) -> Iterator[Ended]:
    """A step in a new pod, with its process beside it."""
    ended = Ended(pods.start())
    with beside(ended.pod, pods.spool, alone=alone):
        yield ended
        began = time.monotonic()
    ended.seconds = time.monotonic() - began


def begin(pods: Pods) -> Tracked:
    """The first step, in a pod."""
    with step(pods, alone=True) as first:
        pods.tell_begin(first.pod)
        time.sleep(0.3)  # its own work
    return first.pod


def everything(pods: Pods) -> Tracked:
    """What every pod wrote, copied or not."""
    whole = replace(pods.all[0], path=pods.folder / "everything")
    whole.journal.mkdir(parents=True, exist_ok=True)
    for pod in pods.all:
        for journal in pod.journal.glob("*.jsonl"):
            (whole.journal / journal.name).write_bytes(journal.read_bytes())
    return whole


def once(uri: str, pods: Pods) -> bool:
    """Whether MLflow has every metric that any pod told, with one value for an epoch."""
    return curves(uri, pods.all[0]) == told(everything(pods))


def states(uri: str, pods: Pods) -> set[str]:
    parent, nested = found(uri, pods.all[0])
    return {parent.info.status, *(run.info.status for run in nested.values())}


def test_curves_are_live_and_the_last_step_has_nothing_left_to_send(pods: Pods, uri: str) -> None:
    begun = begin(pods)
    assert found(uri, begun)[0].info.status == "RUNNING"
    with step(pods) as one, step(pods) as other:
        trainings = [Training(one.pod, "train_local-0"), Training(other.pod, "train_local-1")]
        for training in trainings:
            training.train(2)
        until(lambda: {name for name, *_ in curves(uri, begun)} == {"local 0", "local 1"})
        for training in trainings:
            training.train(1)
            training.end()
        until(lambda: len(curves(uri, begun)) == 18)
    assert max(one.seconds, other.seconds) < STALL_S + BUSY_S
    pods.report()
    sent = finish(pods.start(), open_store(pods.uri))
    # of a slow end nobody wrote down how much was sent: then it is looked up
    assert re.fullmatch(rf"Sent to MLflow at {uri}: (0 metrics of \d runs, )?results and state\.", sent)
    assert once(uri, pods)
    assert states(uri, pods) == {"FINISHED"}
    parent, _ = found(uri, begun)
    for name in ("report.html", "results.json"):
        kept = download_artifacts(run_id=parent.info.run_id, artifact_path=name, tracking_uri=uri)
        assert Path(kept).read_bytes() == (pods.left().path / name).read_bytes()
    assert sync_spool(open_store(f"{pods.uri}/spool/{pods.uid}")).endswith("nothing was sent.")


def test_pods_at_once_have_one_parent(pods: Pods, uri: str) -> None:
    with step(pods, alone=True) as first, step(pods) as zero, step(pods) as one, step(pods) as two:
        pods.tell_begin(first.pod)
        for k, each in enumerate((zero, one, two)):
            Training(each.pod, f"train_local-{k}").train(1)
        until(lambda: len(told(everything(pods))) == 9)
        time.sleep(3)
    finish(pods.start(), open_store(pods.uri))
    assert once(uri, pods)  # `found` refuses two parents


def test_away_from_the_first_step_on(pods: Pods, gate: Gate, uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    gate.close()
    begin(pods)
    with step(pods) as ended:
        training = Training(ended.pod, "train_local-0")
        training.train(3)
        training.end()
        time.sleep(1)
    assert ended.seconds < STALL_S + BUSY_S
    said = capfd.readouterr().err
    assert f"MLflow at {gate.uri} does not answer (" in said
    assert f"The metrics are kept in {pods.uri}/spool/{pods.uid}, and sent later." in said
    with pytest.raises(SchwarzError, match=f"does not answer .*`schwarz track sync {pods.uri}/spool/{pods.uid}`"):
        finish(pods.start(), open_store(pods.uri))
    gate.open()
    finish(pods.start(), open_store(pods.uri))
    assert once(uri, pods)
    assert states(uri, pods) == {"KILLED", "FINISHED"}  # a network that was trained; and there was no report


def test_away_in_the_middle_of_a_step_and_back(pods: Pods, gate: Gate, uri: str) -> None:
    begun = begin(pods)
    with step(pods) as ended:
        training = Training(ended.pod, "train_global")
        training.train(1)
        until(lambda: len(curves(uri, begun)) == 3)
        gate.close()
        training.train(1)
        time.sleep(3)
        gate.open()
        until(lambda: len(curves(uri, begun)) == 6)  # while the step goes on
        training.train(1)
        training.end()
    assert ended.seconds < STALL_S + BUSY_S
    finish(pods.start(), open_store(pods.uri))
    assert once(uri, pods)


def test_hung_stalls_no_step_and_loses_nothing(pods: Pods, stack: Stack, uri: str) -> None:
    begun = begin(pods)
    with step(pods) as ended:
        training = Training(ended.pod, "train_global")
        training.train(1)
        until(lambda: len(curves(uri, begun)) == 3)
        with hung(stack.tracking):
            began = time.monotonic()
            training.train(2)
            time.sleep(3)  # the process beside the step is in the middle of a request now
            assert time.monotonic() - began < 3.5
            with step(pods) as within:
                other = Training(within.pod, "train_coarse")
                other.train(2)
                other.end()
            with pytest.raises(SchwarzError, match="does not answer"):
                finish(pods.start(), open_store(pods.uri))
    assert within.seconds < STALL_S + BUSY_S
    assert ended.seconds < STALL_S + BUSY_S
    pods.report()
    finish(pods.start(), open_store(pods.uri))
    assert once(uri, pods)
    assert states(uri, pods) == {"FINISHED"}
    finish(pods.start(), open_store(pods.uri))
    assert once(uri, pods)


def test_store_that_hangs_stalls_no_step(pods: Pods, stack: Stack, uri: str) -> None:
    begun = begin(pods)
    with hung(stack.seaweed):
        with step(pods) as ended:
            training = Training(ended.pod, "train_global")
            training.train(2)
            training.end()
            until(lambda: len(curves(uri, begun)) == 6)
        assert ended.seconds < STALL_S + BUSY_S
    finish(pods.start(), open_store(pods.uri))
    assert once(uri, pods)


STEP = """
import sys, time
from dataclasses import replace
from pathlib import Path
from schwarz.storage import open_store
from schwarz.tracking import Spool, beside
from schwarz.tracking.tracked import of_pods
from tests.pipeline.journals import Training
pod = replace(of_pods(Path(sys.argv[1]), sys.argv[2]), attempt=sys.argv[3])
with beside(pod, Spool(open_store(pod.place))):
    training = Training(pod, "train_global")
    training.train(2)
    time.sleep(2)
    training.train(1)
    print("told", flush=True)
    time.sleep(100)
"""


def started(pod: Tracked) -> "subprocess.Popen[str]":
    """A step in a process of its own; it has told three epochs."""
    command = [sys.executable, "-c", STEP, str(pod.path), pod.place, pod.attempt]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "told\n"
    return process


def test_step_that_is_killed_is_sent_by_the_process_beside_it(pods: Pods, uri: str) -> None:
    begun, pod = begin(pods), pods.start()
    process = started(pod)
    process.kill()
    process.communicate()
    until(lambda: len(curves(uri, begun)) == 9)
    assert states(uri, pods) == {"RUNNING"}
    finish(pods.start(), open_store(pods.uri))
    assert states(uri, pods) == {"KILLED"}
    assert once(uri, pods)


def test_pod_that_is_killed_left_what_was_copied(pods: Pods, gate: Gate, uri: str) -> None:
    begun, pod = begin(pods), pods.start()
    gate.close()
    process = started(pod)
    until(lambda: any(pod.attempt in name for name in pods.spooled()))
    beside_it = int(subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True))
    for pid in (beside_it, process.pid):  # a pod that is killed: everything in it at once
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    gate.open()
    finish(pods.start(), open_store(pods.uri))
    copied = told(pods.left())
    assert copied
    assert curves(uri, begun) == copied
    assert states(uri, pods) == {"KILLED"}


def test_registering_where_mlflow_hangs_is_made_up_for(pods: Pods, stack: Stack, uri: str, tmp_path: Path) -> None:
    begun, pod = begin(pods), pods.start()
    name = f"pods-{pods.uid[:8]}"
    entry = Entry(model(tmp_path / "global.onnx"), name, {}, {"test_accuracy": 0.9}, ["a", "b", "c", "d"])
    images = np.zeros((1, 1, 2, 2), np.uint8)
    with (
        hung(stack.tracking),
        pytest.raises(Unreachable, match="The model is not registered: `schwarz track sync s3://"),
    ):
        register_model(pod, entry, images, uri, pods.spool)
    pods.report()
    assert f"model {name} version 1 (champion)" in finish(pods.start(), open_store(pods.uri))
    registered = register_model(pods.start(), entry, images, uri, pods.spool)  # the same model once
    assert (registered["version"], registered["run_id"]) == ("1", found(uri, begun)[0].info.run_id)
    folder = Path(download_artifacts(f"models:/{name}@champion", tracking_uri=uri))
    assert (folder / "model.onnx").read_bytes() == entry.path.read_bytes()


def refused(pods: Pods, capfd: pytest.CaptureFixture[str]) -> str:
    """What a pod says that MLflow does not take."""
    with step(pods, alone=True) as ended:
        pods.tell_begin(ended.pod)
        time.sleep(1.5)
    assert ended.seconds < STALL_S + BUSY_S
    return capfd.readouterr().err


def test_403_for_the_host_name_is_said_with_the_remedy(
    pods: Pods, uri: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    other = uri.replace("127.0.0.1", "127.1")  # the same server, by a name that it was not told of
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    remedy = (
        f"does not answer to the name {other.removeprefix('http://')}: start it with `mlflow server --allowed-hosts"
    )
    assert remedy in str(trouble(other))
    assert remedy in refused(pods, capfd)
    with pytest.raises(SchwarzError, match="--allowed-hosts"):
        finish(pods.start(), open_store(pods.uri))
    entry = Entry(model(pods.folder / "m.onnx"), "m", {}, {}, [])
    with pytest.raises(Unreachable, match="--allowed-hosts"):
        register_model(pods.start(), entry, np.zeros((1, 1, 2, 2), np.uint8), other, pods.spool)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    finish(pods.start(), open_store(pods.uri))
    assert states(uri, pods) == {"KILLED"}


@pytest.mark.parametrize(
    ("password", "remedy"),
    [
        (None, "wants a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("wrong-horse", "does not take this password of the user 'schwarz': mend MLFLOW_TRACKING_USERNAME and"),
    ],
)
def test_login_that_is_lacking_or_wrong_is_said_with_the_remedy(
    password: str | None, remedy: str, pods: Pods, uri: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if password:
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    else:
        monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
        monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    assert remedy in str(trouble(uri))
    said = refused(pods, capfd)
    assert remedy in said
    assert "wrong-horse" not in said
    with pytest.raises(SchwarzError, match=remedy):
        finish(pods.start(), open_store(pods.uri))
