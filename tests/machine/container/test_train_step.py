"""A training step in its image: given its inputs it needs no network, no name, and no place but its own to write to."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.train_local.component import train_local
from schwarz import data as datasets
from schwarz.files import read_json, sha256
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import RunFolder, create, project_root
from tests.machine.container.engine import STRICT


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A small run on this machine, with the inputs of its steps and what they gave."""
    changes = {"strategies": ["average"], "place.pods": 2, "local.engine": "loop"}
    config = override(preset("tiny"), {**changes, "data.md5": datasets.describe(project_root(), "sample").md5})
    made = create(config, tmp_path_factory.mktemp("run") / "run")
    command = [sys.executable, "-m", "pipelines.execute", str(made.path), "--until-export"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for path in (made.path, *made.path.rglob("*")):  # pytest's folders are for whoever made them alone
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    return made


def step(image: str, run: RunFolder, shards: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    """`train_local` of pod 1, started as Kubeflow starts it: the component's own command, all it needs in one word."""
    out.mkdir()
    out.chmod(0o777)
    config = run.config
    sections = {name: getattr(config, name).model_dump_json() for name in ("network", "augment", "local")}
    given = {
        "inputs": {
            "parameterValues": {"seed": config.seed, "pod": 1, "pods": 2, **sections},
            "artifacts": {"shards": artifact("Dataset", shards)},
        },
        "outputs": {
            "artifacts": {"fleet": artifact("Model", out / "fleet"), "metrics": artifact("Metrics", out / "metrics")},
            "outputFile": str(out / "executor_output.json"),
        },
    }
    program = train_local.component_spec.implementation.container  # type: ignore[attr-defined]
    told = [json.dumps(given) if word == "{{$}}" else word for word in (*program.command, *program.args)]
    mounts = (f"--volume={run.path}:{run.path}:ro", f"--volume={out}:{out}")
    threads = [f"--env={name}={value}" for name, value in config.place.environment.items()]
    command = ["docker", "run", *STRICT, *mounts, *threads, image, *told]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def artifact(kind: str, path: Path) -> dict[str, Any]:
    return {"artifacts": [{"name": path.name, "type": {"schemaTitle": f"system.{kind}"}, "uri": str(path)}]}


def test_it_trains_the_same_weights_as_this_machine(train: str, run: RunFolder, tmp_path: Path) -> None:
    done = step(train, run, run.steps / "split", tmp_path / "out")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    here = run.steps / "train_local" / "1"
    boxes = sorted(here.glob("box-*"))
    assert [box.name for box in boxes] == ["box-1", "box-3"]
    assert {box.name: sha256(tmp_path / "out/fleet" / box.name / "weights.safetensors") for box in boxes} == {
        box.name: sha256(box / "weights.safetensors") for box in boxes
    }
    reported = read_json(tmp_path / "out" / "executor_output.json")["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    assert set(reported) >= {"local_1_validation_accuracy", "local_3_validation_accuracy"}


def test_an_input_that_is_not_whole_is_refused(train: str, run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "split").mkdir()
    done = step(train, run, tmp_path / "split", tmp_path / "out")
    assert done.returncode != 0
    assert "is not whole: the step before it did not finish" in done.stdout + done.stderr
    assert not (tmp_path / "out" / "fleet" / "done.json").exists()
