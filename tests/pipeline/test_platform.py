"""Pipelines compiled for a cluster: on which pods each step runs, what it is told, and that no secret is in it."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.placement import IN_LOOP, KINDS, Placement
from schwarz.cli.entry import status
from schwarz.platform_file import load
from schwarz.presets import preset
from schwarz.reading import override
from tests.pipeline.golden.compiled import CASES, HERE, ROOT, compiled

REWRITE = "`.venv/bin/python -m tests.pipeline.golden.compiled` writes it anew; then look at what `git diff` says"
CPU_S = 3


@pytest.mark.parametrize("case", CASES)
def test_the_compiled_pipeline_is_the_one_that_was_looked_at(tmp_path: Path, case: str) -> None:
    text = compiled(tmp_path, case, PYTHONHASHSEED="1")  # nothing follows the order of a set
    assert text == (HERE / f"{case}.yaml").read_text(encoding="utf-8"), REWRITE


def test_compiling_takes_little_time(tmp_path: Path) -> None:
    """Three CPU-seconds; a busy machine stretches them, and the import of kfp, most of it, as much."""
    importing = [sys.executable, "-c", "import kfp.compiler"]
    alone = used(lambda: subprocess.run(importing, check=True))
    assert used(lambda: compiled(tmp_path, "volumes-gpu")) < max(CPU_S, 3 * alone)


def used(work: Callable[[], object]) -> float:
    """CPU-seconds of the processes that some work starts."""
    usages = [resource.getrusage(resource.RUSAGE_CHILDREN)]
    work()
    before, after = (
        usage.ru_utime + usage.ru_stime for usage in [*usages, resource.getrusage(resource.RUSAGE_CHILDREN)]
    )
    return after - before


class Compiled:
    """A compiled pipeline, by its steps."""

    def __init__(self, case: str) -> None:
        self.text = (HERE / f"{case}.yaml").read_text(encoding="utf-8")
        self.spec, platform = yaml.safe_load_all(self.text)
        executors = self.spec["deploymentSpec"]["executors"]
        pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        assert pods.keys() == executors.keys()  # not one step was left out
        self.containers = {name.removeprefix("exec-"): each["container"] for name, each in executors.items()}
        self.pods: dict[str, Any] = {name.removeprefix("exec-"): each for name, each in pods.items()}
        components = self.spec["components"]
        graphs = [self.spec["root"], *(each for each in components.values() if "dag" in each)]
        self.tasks = {name: task for each in graphs for name, task in each["dag"]["tasks"].items()}
        self.loops = [task for task in self.tasks.values() if "parameterIterator" in task]
        self.looped = {name for loop in self.loops for name in components[loop["componentRef"]["name"]]["dag"]["tasks"]}

    def told(self, step: str) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self.containers[step].get("env", [])}


GPU, LAPTOP = Compiled("volumes-gpu"), Compiled("tiny-laptop")


def test_every_step_that_is_placed_by_name_is_a_step_and_those_in_the_loop_are_known() -> None:
    assert KINDS.keys() <= LAPTOP.containers.keys()
    assert LAPTOP.looped == IN_LOOP


def test_a_pod_of_local_networks_gets_what_the_file_says() -> None:
    asked = GPU.containers["train-local"]["resources"]
    assert (asked["resourceCpuRequest"], asked["resourceCpuLimit"]) == ("4", "4")
    assert (asked["resourceMemoryRequest"], asked["resourceMemoryLimit"]) == ("16Gi", "16Gi")
    assert asked["accelerator"] == {
        "count": "1", "type": "nvidia.com/gpu", "resourceCount": "1", "resourceType": "nvidia.com/gpu",
    }  # fmt: skip
    pod = GPU.pods["train-local"]
    assert pod["nodeSelector"] == {"labels": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}}
    assert pod["tolerations"] == [{"effect": "NoSchedule", "key": "nvidia.com/gpu", "operator": "Exists"}]
    assert pod["activeDeadlineSeconds"] == "43200"
    assert pod["emptyDirMounts"] == [
        {"medium": "Memory", "mountPath": "/dev/shm", "sizeLimit": "8Gi", "volumeName": "shared-memory"}  # noqa: S108
    ]
    assert pod["imagePullPolicy"] == "Always"
    assert [each["secretName"] for each in pod["imagePullSecret"]] == ["registry-login"]
    assert pod["securityContext"] == {"runAsNonRoot": True}
    assert pod["podMetadata"]["labels"] == {"app.kubernetes.io/part-of": "schwarz", "team": "imaging"}
    (loop,) = GPU.loops
    assert loop["iteratorPolicy"] == {"parallelismLimit": 2}


def test_each_kind_of_step_has_its_own_pods() -> None:
    assert GPU.containers["train-coarse"]["resources"]["accelerator"]["count"] == "2"
    assert GPU.containers["evaluate"]["resources"]["resourceMemoryLimit"] == "64Gi"
    for step in ("begin", "prepare-data", "split", "export-onnx", "register", "report", "finish"):
        assert "accelerator" not in GPU.containers[step]["resources"]
        assert GPU.containers[step]["resources"]["resourceCpuLimit"] == "0.5"
        assert not GPU.tasks[step]["cachingOptions"].get("enableCache", False)
        assert "retryPolicy" not in GPU.tasks[step]
    assert GPU.tasks["train-coarse"]["cachingOptions"]["enableCache"]


def test_finish_comes_last_whatever_became_of_the_others() -> None:
    assert GPU.tasks["finish"]["dependentTasks"] == ["exit-handler-1"]
    assert GPU.tasks["finish"]["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}


def test_a_pod_with_a_gpu_does_not_take_the_processor_instead() -> None:
    assert GPU.told("train-local")["SCHWARZ_DEVICE"] == "cuda"
    assert GPU.told("begin")["SCHWARZ_DEVICE"] == "auto"
    assert LAPTOP.told("train-local")["SCHWARZ_DEVICE"] == "auto"


def test_every_step_is_told_its_number_of_threads() -> None:
    """Or the cores of its node would decide it, and the last digit of its weights with it."""
    for pipeline in (GPU, LAPTOP):
        for step in pipeline.containers:
            assert pipeline.told(step)["OMP_NUM_THREADS"] == pipeline.told(step)["MKL_NUM_THREADS"] == "1"


def test_every_step_runs_in_the_image_and_is_told_where_things_are() -> None:
    for step, container in GPU.containers.items():
        assert container["image"] == "registry.example.org/schwarz/python-train:0123456-cuda"
        assert (
            GPU.told(step).items()
            >= {
                "SCHWARZ_STORE": "s3://schwarz/store",
                "SCHWARZ_CHECKPOINTS": "s3://schwarz-scratch/checkpoints",
                "SCHWARZ_REMOTE": "s3://schwarz/dvc",
                "SCHWARZ_PRESET": "adrenal3d-vgg9-2x2x1",
                "MLFLOW_TRACKING_URI": "http://mlflow.schwarz:5000",
            }.items()
        )
        run_id = {"name": "SCHWARZ_RUN_ID", "fieldPath": "metadata.labels['pipeline/runid']"}
        assert run_id in GPU.pods[step]["fieldPathAsEnv"]


def test_secrets_are_named_by_secret_and_key() -> None:
    for pod in GPU.pods.values():
        given = {
            (each["secretName"], pair["secretKey"]): pair["envVar"]
            for each in pod["secretAsEnv"]
            for pair in each["keyToEnv"]
        }
        assert given == {
            ("mlpipeline-minio-artifact", "endpoint"): "AWS_ENDPOINT_URL",
            ("mlpipeline-minio-artifact", "accesskey"): "AWS_ACCESS_KEY_ID",
            ("mlpipeline-minio-artifact", "secretkey"): "AWS_SECRET_ACCESS_KEY",
            ("schwarz-mlflow", "MLFLOW_TRACKING_USERNAME"): "MLFLOW_TRACKING_USERNAME",
            ("schwarz-mlflow", "MLFLOW_TRACKING_PASSWORD"): "MLFLOW_TRACKING_PASSWORD",
        }


def test_a_laptop_shares_a_volume_and_takes_the_namespaces_own_resources() -> None:
    for step, container in LAPTOP.containers.items():
        assert "resources" not in container
        (mount,) = LAPTOP.pods[step]["pvcMount"]
        assert (mount["constant"], mount["mountPath"]) == ("schwarz", "/mnt/schwarz")
        assert LAPTOP.pods[step]["imagePullPolicy"] == "Never"
        assert "secretAsEnv" not in LAPTOP.pods[step]


def test_a_step_may_be_tried_again_however_long_it_took() -> None:
    tried = {name: task["retryPolicy"] for name, task in LAPTOP.tasks.items() if "retryPolicy" in task}
    assert tried.keys() == LAPTOP.containers.keys()
    for policy in tried.values():
        assert policy["maxRetryCount"] == 2
        assert int(policy["backoffMaxDuration"].removesuffix("s")) > 7 * 24 * 3600  # kfp's own hour counts the work too


def test_in_the_loop_the_step_itself_is_told_to_try_again_outside_the_key_of_the_cache() -> None:
    pod = GPU.pods["train-local"]
    assert pod["podMetadata"]["annotations"] == {"schwarz/retries": "3", "schwarz/retry-wait-s": "60"}
    read = {each["name"]: each["fieldPath"] for each in pod["fieldPathAsEnv"]}
    assert read["SCHWARZ_RETRIES"] == "metadata.annotations['schwarz/retries']"
    assert read["SCHWARZ_RETRY_WAIT_S"] == "metadata.annotations['schwarz/retry-wait-s']"
    assert "SCHWARZ_RETRIES" not in GPU.told("train-local")
    assert "SCHWARZ_RETRIES" not in str(GPU.pods["train-coarse"])


SECRETS = {
    "AWS_ACCESS_KEY_ID": "an-identity-4711",
    "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-sees",
    "AWS_ENDPOINT_URL": "http://store.internal.example.org:8333",
    "MLFLOW_TRACKING_PASSWORD": "a-word-that-nobody-sees",
}


@pytest.fixture
def with_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """The status of compiling for a cluster, for a person whose environment holds secrets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.dvc").write_bytes((ROOT / "data.dvc").read_bytes())
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def compile_for(platform: str) -> int:
        (tmp_path / "cluster.toml").write_text(platform, encoding="utf-8")
        return status(["compile", "tiny", "--platform", "cluster.toml", "-o", "train.yaml"])

    return compile_for


def test_what_the_environment_keeps_secret_is_not_in_the_file(
    with_secrets: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert with_secrets((HERE / "gpu.toml").read_text(encoding="utf-8")) == 0
    told = capsys.readouterr()
    for value in SECRETS.values():
        assert value not in (tmp_path / "train.yaml").read_text(encoding="utf-8") + told.out + told.err


def test_a_file_that_would_hold_a_secret_is_not_written(
    with_secrets: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaking = (HERE / "gpu.toml").read_text(encoding="utf-8").replace('"imaging" }', '"a-secret-that-nobody-sees" }')
    assert with_secrets(leaking) == 1
    told = capsys.readouterr().err
    assert "it holds the value of $AWS_SECRET_ACCESS_KEY" in told
    assert "a-secret-that-nobody-sees" not in told
    assert not (tmp_path / "train.yaml").exists()


def test_what_changes_no_result_is_told_aside() -> None:
    """Or a run that is compiled anew with more disk would train everything again: KFP's cache goes by what is plain."""
    place = {"place.disk_gb": 5, "place.workers": 2, "place.device": "cpu"}
    placed = Placement.on_cluster(override(preset("tiny"), place), load(HERE / "laptop.toml"))
    assert placed.aside == {"SCHWARZ_DISK_GB": "5.0", "SCHWARZ_WORKERS": "2"}
    assert placed.aside.keys().isdisjoint(placed.environment)
    assert placed.environment["SCHWARZ_DEVICE"] == "cpu"
