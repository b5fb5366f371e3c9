"""The KFP graph and the plain loop give the same bytes; a run that was killed goes on to the same bytes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from schwarz import data as datasets
from schwarz.config import Config
from schwarz.files import read_json, sha256
from schwarz.journal import Event, read
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import RunFolder, create, project_root
from tests.waiting import until
from tests.weights import weights


def tiny() -> Config:
    return override(preset("tiny"), {"data.md5": datasets.describe(project_root(), "sample").md5})


def start(run: RunFolder, runner: str) -> subprocess.Popen[bytes]:
    """The pipeline as `schwarz run` starts it: a process group of its own, its input open."""
    with (run.logs / "pipeline.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.execute", str(run.path), "--runner", runner],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{run.path.parent / 'mlflow.db'}"},
        )


def finished(run: RunFolder, runner: str) -> RunFolder:
    with start(run, runner) as process:
        assert process.wait() == 0, (run.logs / "pipeline.log").read_text()[-3000:]
    return run


def events(run: RunFolder, kind: str) -> list[Event]:
    return [event for event in read(run.journal) if event["event"] == kind]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return finished(create(tiny(), tmp_path_factory.mktemp("plain") / "run"), "python")


def test_the_graph_and_the_plain_loop_give_the_same_weights(plain: RunFolder, tmp_path: Path):
    graph = finished(create(tiny(), tmp_path / "run"), "subprocess")
    assert (
        len(weights(plain.path)) == 4 + 6 + 4
    )  # local networks; coarse, coherent, transfer, composed, tuned, global; moments
    assert weights(graph.path) == weights(plain.path)
    for name in ("verify.json", "features.svg"):
        assert sha256(graph.steps / "compose" / name) == sha256(plain.steps / "compose" / name)
    assert not (graph.path / ".kfp").exists()


@pytest.mark.parametrize("place", [{"place.pods": 2}, {"place.pods": 1, "place.workers": 3}])
def test_packing_boxes_into_fewer_pods_or_into_workers_changes_no_weight(
    plain: RunFolder, tmp_path: Path, place: dict[str, int]
):
    only = {"strategies": ["average"], "local.engine": "loop"} | place
    packed = finished(create(override(tiny(), only), tmp_path / "run"), "python")
    assert (packed.results() or {})["verify"] is None  # nothing was composed
    assert sorted(weights(packed.path).values()) == sorted(
        v for k, v in weights(plain.path).items() if k.startswith("train_local")
    )


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(plain: RunFolder, tmp_path: Path):
    run = create(tiny(), tmp_path / "run")
    process = start(run, "python")
    until(lambda: any(event["step"] == "train_local" for event in events(run, "done")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert run.results() is None
    before = {(event["step"], event["part"]) for event in events(run, "done")}
    finished(run, "python")
    assert {(event["step"], event["part"]) for event in events(run, "reused")} == before - {("begin", "")}
    assert weights(run.path) == weights(plain.path)


def test_a_training_that_was_killed_goes_on_from_its_last_epoch(tmp_path: Path):
    config = override(
        tiny(), {"strategies": ["average"], "place.pods": 1, "local.epochs": 5, "local.engine": "stacked"}
    )
    left_alone = finished(create(config, tmp_path / "whole"), "python")
    run = create(config, tmp_path / "run")

    def epochs() -> list[int]:
        return [event["epoch"] for event in events(run, "metric") if event["step"] == "train_local"]

    process = start(run, "python")
    until(lambda: len(epochs()) >= 2 * 4, process, every_s=0.005)  # two epochs of four networks
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    told = len(epochs())
    finished(run, "python")
    assert weights(run.path) == weights(left_alone.path)
    assert min(epochs()[told:]) > 1
    assert not list((run.path / "checkpoints").iterdir())


def test_a_run_begun_afresh_forgets_all_that_was_made(plain: RunFolder, tmp_path: Path):
    run = finished(create(override(tiny(), {"strategies": ["average"]}), tmp_path / "run"), "python")
    kept = weights(run.path)
    run.forget()
    assert run.results() is None
    assert weights(run.path) == {}
    assert weights(finished(run, "python").path) == kept
    assert not events(run, "reused")


def test_the_pipeline_ends_with_the_process_that_started_it(tmp_path: Path):
    run = create(tiny(), tmp_path / "run")
    process = start(run, "python")
    until(lambda: bool(events(run, "start")), process)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=20) == -signal.SIGKILL


def test_results_hold_every_strategy_and_what_it_took(plain: RunFolder):
    results = plain.results()
    assert results is not None
    assert list(results["strategies"]) == list(tiny().strategies)
    for name, found in results["strategies"].items():
        assert found["low"] <= found["test"] <= found["high"], name
        assert found["cpu_s"] > 0
        assert sum(map(sum, results["confusion"][name])) == results["data"]["test"] == 2000
    locals_ = sum(local["cpu_s"] for local in results["locals"])
    assert results["strategies"]["average"]["cpu_s"] == pytest.approx(locals_)
    assert results["strategies"]["composed_tuned"]["cpu_s"] > locals_
    assert results["run"]["peak_memory_mb"] > 100


def test_results_hold_what_composing_kept(plain: RunFolder):
    results = plain.results()
    assert results is not None
    found, whole = results["verify"], read_json(plain.steps / "compose" / "verify.json")
    assert {name: found[name] for name in found if name != "fields"} == {
        name: whole[name] for name in whole if name != "layers"
    }
    assert (found["case"], found["holds"], found["images"]) == ("field", True, 60)
    assert found["fields"][0]["fields"][0] == [[0, 15], [0, 15]]
    assert found["statistics"]["used"] == "keep"
    assert found["statistics"]["keep"] == results["strategies"]["composed"]["validation"]
    assert "What composing keeps" in (plain.path / "report.html").read_text()


def test_the_coarse_nets_own_validation_accuracy_is_that_of_nets_that_had_not_seen_the_image(plain: RunFolder):
    results = plain.results()
    assert results is not None
    scores = np.load(plain.steps / "train_coarse" / "validation.npy")
    y = np.load(plain.steps / "prepare_data" / "validation" / "y.npy")
    assert results["strategies"]["coarse"]["validation"] == pytest.approx((scores.argmax(1) == y).mean())


@pytest.mark.parametrize("source", ["train", "out-of-fold"])
def test_a_coarse_net_may_learn_from_training_images(tmp_path: Path, source: str):
    changes = {"strategies": ["coarse"], "coarse.source": source, "coarse.folds": 2, "place.pods": 1}
    run = finished(create(override(tiny(), changes), tmp_path / "run"), "python")
    assert np.load(run.steps / "train_coarse" / "validation.npy").shape == (60, 10)
    trained = {event["run"] for event in events(run, "end") if event["step"] == "train_coarse"}
    anew = {f"fold {fold} local {k}" for fold in range(2) for k in range(4)}
    assert trained & anew == (anew if source == "out-of-fold" else set())


def test_plain_numpy_and_onnxruntime_reach_the_accuracy_that_is_reported(plain: RunFolder):
    results = plain.results()
    assert results is not None
    session = onnxruntime.InferenceSession(plain.path / results["model"]["file"])
    packed = datasets.describe(project_root(), "sample").folder
    shards = [np.load(path) for path in sorted(packed.glob("test-*.npz"))]
    x, y = (np.concatenate([shard[name] for shard in shards]) for name in "xy")
    (probabilities,) = session.run(["probabilities"], {"images": x})
    best = results["strategies"][results["model"]["strategy"]]
    assert (np.asarray(probabilities).argmax(1) == y).mean() == pytest.approx(best["test"], abs=1e-9)
    assert session.get_modelmeta().custom_metadata_map["data_md5"] == results["data"]["md5"]


def test_test_images_are_passed_on_packed(plain: RunFolder):
    prepared = plain.steps / "prepare_data"
    assert {path.name for path in (prepared / "test").iterdir()} >= {"meta.json", "test-00.npz"}
    assert not list(prepared.glob("test/*.npy"))
    for part in ("train", "validation"):
        assert (prepared / part / "x.npy").exists()
    assert read_json(prepared / "data.json")["test"] == 2000
