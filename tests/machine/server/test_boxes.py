"""Steps in pods that share an object store alone: what each reads of it, and what it goes on from."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.config import Augment, Config
from schwarz.data import describe
from schwarz.files import read_json, sha256, write_json
from schwarz.journal import read
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.stack import Stack
from schwarz.steps.finish import finish
from schwarz.steps.mirror import mirrored
from schwarz.steps.prepare_data import prepare_data
from schwarz.steps.split import split
from schwarz.steps.train_local import train_local
from schwarz.storage import open_store, push
from schwarz.tracking import spool_in
from tests.machine.leaks import s3
from tests.unit import report_results as example
from tests.waiting import until

ROOT = Path(__file__).parents[3]
BOXES = 8
STORE = "s3://schwarz/pods"


@pytest.fixture
def pods(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """From now on this process is a pod of that name, with an empty disk of its own: its folder."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCHWARZ_STORE", STORE)

    def pod(name: str) -> Path:
        monkeypatch.setenv("SCHWARZ_SCRATCH", str(tmp_path / name / "scratch"))
        return tmp_path / name

    return pod


def config(**changes: Any) -> Config:
    info = describe(ROOT, "sample")
    return override(
        preset("tiny"),
        {"data.md5": info.md5, "data.limit": 2000, "partition.grid": [2, 4], "local.epochs": 1, **changes},
    )


def prepared(c: Config, folder: Path) -> Path:
    """The data set, got from the store by its version alone."""
    push(describe(ROOT, "sample"), os.environ["SCHWARZ_REMOTE"])
    prepare_data(seed=0, data=c.data, out=folder / "images")
    return folder / "images"


def trained(c: Config, shards: Path, pod: int, pods: int, out: Path) -> dict[str, float]:
    given = {"seed": 0, "network": c.network, "augment": c.augment, "local": c.local}
    return train_local(**given, shards=shards, pod=pod, pods=pods, out=out)


MOTIONS = {
    "still": Augment(),
    "box": Augment(shift=2, flip=True, frame="box"),
    "shift": Augment(shift=2),
    "mirror": Augment(shift=2, flip=True),
    "turn": Augment(rotation=10),
}


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_pod_reads_what_its_boxes_need_and_all_pods_together_nothing_twice(
    pods: Callable[[str], Path], motion: str
) -> None:
    c = config(**{f"augment.{name}": value for name, value in MOTIONS[motion].model_dump().items()})
    first = pods("first")
    images = prepared(c, first)
    split(seed=0, data=c.data, partition=c.partition, augment=c.augment, images=images, out=first / "shards")
    received = 0.0
    for pod in range(BOXES):
        metrics = trained(c, first / "shards", pod, BOXES, pods(f"pod {pod}") / "out")
        assert 1 <= metrics["bytes_received"] / metrics["bytes_needed"] <= 1.02
        received += metrics["bytes_received"]
    pixels = 2000 * 32 * 32
    if motion in ("still", "box"):
        assert 1 <= received / pixels <= 1.02
    again = trained(c, first / "shards", 0, 1, pods("pod 0") / "again")  # it has one of the eight
    assert again["bytes_received"] < received


def test_what_is_in_the_store_is_not_written_again_and_trains_to_the_same_weights(
    pods: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    c, first = config(seed=3), pods("first")
    images = prepared(c, first)
    cut = {"seed": 3, "data": c.data, "partition": c.partition, "augment": c.augment, "images": images}
    split(**cut, out=first / "shards")
    there = list(open_store(STORE).list("boxes/"))
    assert len(there) >= BOXES * 5
    second = pods("second")
    split(**cut, out=second / "shards")
    assert list(open_store(STORE).list("boxes/")) == there
    assert (first / "shards" / "manifest.json").read_bytes() == (second / "shards" / "manifest.json").read_bytes()
    trained(c, second / "shards", 0, 1, second / "out")

    monkeypatch.setenv("SCHWARZ_STORE", str(second / "folder"))
    split(**cut, out=second / "local shards")
    trained(c, second / "local shards", 0, 1, second / "local out")
    for k in range(BOXES):
        name = f"box-{k}/weights.safetensors"
        assert sha256(second / "out" / name) == sha256(second / "local out" / name)


@pytest.mark.parametrize("motion", ["still", "mirror", "turn"])
def test_images_that_find_no_room_on_the_disk_are_read_batch_by_batch_to_the_same_weights(
    pods: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, motion: str
) -> None:
    motions = {f"augment.{name}": value for name, value in MOTIONS[motion].model_dump().items()}
    c, first = config(**{"data.limit": 200, **motions}), pods("first")
    images, shards = prepared(c, first), first / "shards"
    split(seed=0, data=c.data, partition=c.partition, augment=c.augment, images=images, out=shards)
    trained(c, shards, 0, 1, first / "out")

    small = pods("small")
    monkeypatch.setenv("SCHWARZ_DISK_GB", "0.0000001")
    metrics = trained(c, shards, 0, 1, small / "out")
    assert metrics["bytes_received"] > 0.9 * metrics["bytes_needed"]  # in its one epoch; in the next again as much
    notes = [event["text"] for event in read(small / "scratch" / "logs" / "journal") if event["event"] == "note"]
    assert any("find no room on this disk" in text for text in notes)
    assert not list((small / "scratch").rglob("train-x.npy"))
    for k in range(BOXES):
        name = f"box-{k}/weights.safetensors"
        assert sha256(first / "out" / name) == sha256(small / "out" / name)


TRAIN = """
import json, sys
from pathlib import Path
from schwarz.steps.train_local import train_local
given = json.loads(sys.argv[1])
train_local(**given, shards=Path(sys.argv[2]), pod=0, pods=1, out=Path(sys.argv[3]))
"""


def test_a_pod_that_was_killed_is_gone_on_with_by_another_whose_disk_is_empty(
    pods: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    c, first = (
        config(**{"data.limit": 400, "local.epochs": 80, "local.engine": "stacked", "local.schedule": "constant"}),
        pods("first"),
    )
    shards = first / "shards"
    images = prepared(c, first)
    split(seed=0, data=c.data, partition=c.partition, augment=c.augment, images=images, out=shards)
    trained(c, shards, 0, 1, first / "whole")

    monkeypatch.setenv("SCHWARZ_CHECKPOINTS", f"{STORE}/checkpoints")
    killed = pods("killed")
    sections = {name: getattr(c, name).model_dump_json() for name in ("network", "augment", "local")}
    command = [sys.executable, "-c", TRAIN, json.dumps({"seed": 0, **sections}), str(shards), str(killed / "out")]
    process = subprocess.Popen(command)
    kept = open_store(f"{STORE}/checkpoints")
    until(lambda: any("000001" <= Path(each.key).name < "1" for each in kept.list()), process)  # after some epoch
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "out" / "done.json").exists()

    other = pods("other")
    trained(c, shards, 0, 1, other / "out")
    notes = [event["text"] for event in read(other / "scratch" / "logs" / "journal") if event["event"] == "note"]
    assert any("goes on after epoch" in text for text in notes)
    for k in range(BOXES):
        name = f"box-{k}/weights.safetensors"
        assert sha256(first / "whole" / name) == sha256(other / "out" / name)
    assert list(kept.list()) == []  # what nobody goes on from any more
    assert read_json(other / "out" / "done.json")["files"]


def test_checkpoints_of_a_run_stay_until_all_of_it_is_kept(
    pods: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """KFP takes a result after the step's process has ended: a pod that is lost just then is gone on with."""
    uid = uuid.uuid4().hex
    monkeypatch.setenv("SCHWARZ_RUN_ID", uid)
    monkeypatch.setenv("SCHWARZ_CHECKPOINTS", f"{STORE}/{uid}")
    monkeypatch.setattr("schwarz.steps.finish.PATIENCE_S", 0.0)  # five minutes in earnest
    c, first = config(**{"data.limit": 200}), pods("first")
    images, shards = prepared(c, first), first / "shards"
    split(seed=0, data=c.data, partition=c.partition, augment=c.augment, images=images, out=shards)
    trained(c, shards, 0, 1, first / "out")
    kept = open_store(f"{STORE}/{uid}")
    assert any("000001" <= Path(each.key).name < "1" for each in kept.list())
    finish(out=pods("a last pod") / "failed")
    assert list(kept.list())
    write_json(first / "results.json", example.results())
    spool_in(open_store(STORE), uid).put("results.json", first / "results.json")
    finish(out=pods("a last pod again") / "whole")
    assert list(kept.list()) == []


def test_a_checkpoint_that_is_damaged_in_the_store_is_passed_over(pods: Callable[[str], Path], tmp_path: Path) -> None:
    pods("any")
    store, said = open_store(f"{STORE}/{uuid.uuid4().hex}"), list[str]()
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
        store.put(tmp_path / name, f"key/{name}")
    damaged = store.uri.removeprefix("s3://schwarz/")
    about = {"sha256": sha256(tmp_path / "new")}
    s3(os.environ).put_object(Bucket="schwarz", Key=f"{damaged}/key/new", Body=b"nwe", Metadata=about)
    with mirrored(store, "key", tmp_path / "here", said.append) as folder:
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert len(said) == 1
    assert said[0].startswith(f"passed over: {store.uri}/key/new: its sha256 is")
