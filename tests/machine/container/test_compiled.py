"""The compiled pipeline alone: KFP loads the file and runs its tasks as containers; nothing of ours is on the host.

A task finds images, store and servers by what was compiled into it. DockerRunner knows nothing of Kubernetes' secrets
and labels: what a kubelet would put into a pod's environment lies in a layer over the image, made for the test.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from schwarz.data import describe
from schwarz.files import read_json, sha256
from schwarz.stack import Stack
from schwarz.storage import open_store, push
from tests.machine.conftest import MAIN
from tests.machine.container.engine import ROOT, docker
from tests.machine.leaks import files_with, objects_of, secrets_of
from tests.pipeline.journals import found_by

RUN = """
import json, sys
from docker.types import Mount
from kfp import components, local
given = json.loads(sys.argv[1])
mounts = [Mount(target, source, type="bind") for target, source in given.pop("mounts").items()]
cage = dict(read_only=True, tmpfs={"/tmp": ""}, cap_drop=["ALL"], security_opt=["no-new-privileges"])
local.init(local.DockerRunner(mounts=mounts, **cage, **given), pipeline_root=sys.argv[3])
components.load_component_from_file(sys.argv[2])()
ours = {"schwarz", "pipelines", "components"} & {name.partition(".")[0] for name in sys.modules}
sys.exit(f"{ours} were imported" if ours else 0)
"""


def compiled(folder: Path, platform: str) -> Path:
    """`tiny`, for a cluster."""
    (folder / "cluster.toml").write_text(platform)
    command = [*MAIN, "compile", "tiny", "--platform", "cluster.toml", "-o", "tiny.yaml"]
    environment = {**os.environ, "SCHWARZ_PROJECT": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "tiny.yaml"


def run(file: Path, **given: object) -> Path:
    """The folder in which KFP leaves what each task made, and what all of them printed."""
    root = file.parent / "root"
    root.mkdir()
    told = json.dumps({"mounts": {}, "user": f"{os.getuid()}:{os.getgid()}", **given})
    elsewhere = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
    command = [sys.executable, "-P", "-c", RUN, told, str(file), str(root)]
    done = subprocess.run(command, cwd=root, env=elsewhere, capture_output=True, text=True, timeout=900, check=False)
    (root / "said.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return root


def trained(root: Path) -> set[str]:
    """What weights the tasks left, by their sha256."""
    return {sha256(path) for path in root.rglob("*.safetensors")}


@contextmanager
def layered(image: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The image with more environment, while the block runs."""
    name = f"schwarz/python-train:{uuid.uuid4().hex[:12]}"
    made = docker("create", image).strip()
    try:
        docker("commit", *(f"--change=ENV {key}={value}" for key, value in environment.items()), made, name)
        yield name
    finally:
        docker("rm", made)
        docker("rmi", "--force", name)


ON_A_VOLUME = """
[image]
name = "{image}"
[store]
uri = "/mnt/schwarz/store"
remote = "/mnt/schwarz/dvc"
claim = "schwarz"
"""
ON_S3 = """
[image]
name = "{image}"
[store]
uri = "{store}"
remote = "{remote}"
secret = "schwarz-object-store"
[mlflow]
uri = "{mlflow}"
secret = "schwarz-mlflow"
"""


def test_on_a_shared_volume_without_any_network(train: str, tmp_path: Path, reference: dict[str, str]) -> None:
    volume = tmp_path / "volume"
    push(describe(ROOT, "sample"), str(volume / "dvc"))
    root = run(
        compiled(tmp_path, ON_A_VOLUME.format(image=train)), network_mode="none", mounts={"/mnt/schwarz": str(volume)}
    )
    assert trained(root) == set(reference.values())
    assert list(root.rglob("report.html")) or list(root.rglob("report"))
    (sent,) = root.rglob("sent.json")
    assert read_json(sent) == {"said": "SCHWARZ_RUN_ID is not set: MLflow was told nothing of this run."}


def test_on_an_object_store_with_mlflow(
    train: str, stack: Stack, tmp_path: Path, reference: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, uid = stack.environment(), str(uuid.uuid4())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = f"s3://schwarz/{uid}"
    push(describe(ROOT, "sample"), environment["SCHWARZ_REMOTE"])
    plain = ("MLFLOW_TRACKING_URI", "SCHWARZ_STORE", "SCHWARZ_REMOTE")  # these must come from what was compiled
    kubelet = {name: value for name, value in environment.items() if name not in plain} | {"SCHWARZ_RUN_ID": uid}
    with layered(train, kubelet) as image:
        addresses = {"remote": environment["SCHWARZ_REMOTE"], "mlflow": environment["MLFLOW_TRACKING_URI"]}
        file = compiled(tmp_path, ON_S3.format(image=image, store=store, **addresses))
        root = run(file, network_mode="host")
    assert trained(root) == set(reference.values())
    assert list(open_store(store).list("boxes/"))
    assert list(open_store(store).list("checkpoints/")) == []

    parent, nested = found_by(environment["MLFLOW_TRACKING_URI"], uid)
    assert parent.data.tags["kfp.pipeline_run_id"] == uid
    assert {each.info.status for each in (parent, *nested.values())} == {"FINISHED"}
    assert {f"local {k}" for k in range(4)} <= nested.keys()
    assert Path(download_artifacts(run_id=parent.info.run_id, artifact_path="report.html")).stat().st_size > 10_000
    versions = MlflowClient().search_model_versions(f"run_id = '{parent.info.run_id}'")
    assert [version.name for version in versions] == ["tiny"]

    secrets = secrets_of(environment)
    assert files_with(secrets, tmp_path)[1] == []  # the compiled file, what every task left and printed
    assert [name for name, content in objects_of(environment) if any(secret in content for secret in secrets)] == []
