"""`schwarz run --runner docker --stack`: everything is where people look for it, with the weights of any other run."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from schwarz.files import sha256
from schwarz.runs import open_run
from schwarz.stack import Stack
from tests.machine.conftest import MAIN
from tests.machine.container.engine import ROOT
from tests.machine.leaks import files_with, objects_of, s3, secrets_of
from tests.pipeline.journals import found
from tests.weights import weights


@pytest.fixture(scope="module")
def run(train: str, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of `tiny`, as typed."""
    folder = tmp_path_factory.mktemp("home")
    told = {"SCHWARZ_IMAGE": train, "SCHWARZ_PROJECT": str(ROOT), "SCHWARZ_STACK": str(stack.folder)}
    command = [*MAIN, "run", "tiny", "--runner", "docker", "--stack", "--out", "run"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **told}, capture_output=True, text=True, timeout=600, check=False
    )
    log = folder / "run" / "logs" / "pipeline.log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text()[-3000:] if log.exists() else "")
    (folder / "run" / "said.txt").write_text(done.stdout + done.stderr)
    return folder / "run"


@pytest.fixture
def mlflow(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """MLflow's own client, with the login that people get."""
    for name, value in stack.tracking.environment.items():
        monkeypatch.setenv(name, value)
    return MlflowClient()


def test_the_weights_are_those_of_one_process(run: Path, reference: dict[str, str]) -> None:
    assert weights(run) == reference


def test_boxes_and_data_set_lie_in_the_object_store(run: Path, stack: Stack) -> None:
    pages = s3(stack.environment()).get_paginator("list_objects_v2").paginate(Bucket="schwarz")
    keys = {each["Key"] for page in pages for each in page["Contents"]}
    assert [key for key in keys if key.startswith("store/boxes/")]
    assert f"dvc/files/md5/{(md5 := open_run(run).config.data.md5 or '')[:2]}/{md5[2:]}" in keys
    assert not [path for path in (run / "steps" / "split").rglob("*.npy") if path.stat().st_size > 10_000]


def test_mlflow_has_the_run_its_model_and_its_report(run: Path, stack: Stack, mlflow: MlflowClient) -> None:
    parent, nested = found(stack.tracking.address, open_run(run))
    assert {each.info.status for each in (parent, *nested.values())} == {"FINISHED"}
    assert {f"local {k}" for k in range(4)} <= nested.keys()
    report = download_artifacts(run_id=parent.info.run_id, artifact_path="report.html")
    assert Path(report).read_bytes() == (run / "report.html").read_bytes()
    (version,) = mlflow.search_model_versions(f"run_id = '{parent.info.run_id}'")
    assert version.name == "tiny"
    (model,) = Path(download_artifacts(f"models:/tiny/{version.version}")).glob("*.onnx")
    assert sha256(model) in {sha256(path) for path in (run / "model").glob("*.onnx")}


def test_no_secret_is_left_anywhere(run: Path, stack: Stack) -> None:
    """Not in the run folder with its logs and what was printed, nor in any object of the store, MLflow's included."""
    secrets = secrets_of(stack.environment())
    there, holding = files_with(secrets, run)
    assert there > 50
    assert holding == []
    assert "pipeline.log" in {path.name for path in run.rglob("*.log")}
    objects = dict(objects_of(stack.environment()))
    assert any(re.search(r"artifacts/report.html$", name) for name in objects)
    assert [name for name, content in objects.items() if any(secret in content for secret in secrets)] == []
