"""The manifests build with the tool that people build them with, and say what they should; no cluster is asked."""

import base64
import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate as kv
import pytest

from schwarz.platform_file import EXAMPLE
from tests.machine.manifests.objects import (
    Object,
    Pod,
    amount,
    called,
    invalid,
    objects_of,
    pods,
    text_of,
    unresolved,
    unrestricted,
)

VERSIONS = (kv.latest_version(), "1.28")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(objects: list[Object], version: str) -> None:
    assert [fault for item in objects for fault in invalid(item, version)] == []


MLFLOW, POSTGRES, TRITON = (
    "base/mlflow/deployment.yaml",
    "base/postgres/stateful-set.yaml",
    "serving/inference-service.yaml",
)
BROKEN = {
    "misspelt in a pod": (MLFLOW, "readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
    "misspelt in a policy": ("base/network.yaml", "policyTypes:", "policyType:"),
    "text for a number": (POSTGRES, "replicas: 1", "replicas: one"),
    "a missing field": (POSTGRES, "  selector:\n    matchLabels: {app.kubernetes.io/name: postgres}\n", ""),
    "misspelt in KServe's model": (TRITON, "protocolVersion: v2", "protocolversion: v2"),
    "a protocol that KServe has not": (TRITON, "protocolVersion: v2", "protocolVersion: 2"),
    "no runtime": (TRITON, "runtime: kserve-tritonserver", "runtme: kserve-tritonserver"),
    "misspelt in the predictor": (TRITON, "minReplicas: 1", "minReplica: 1"),
    "misspelt in the predictor's pod": (TRITON, "fsGroup: 1000", "fsgroup: 1000"),
    "misspelt in an annotation": (TRITON, "/deploymentMode:", "/deploymentmode:"),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_one_broken_field_is_caught(
    built: dict[str, str], k8s: Path, tmp_path: Path, change: tuple[str, str, str]
) -> None:
    name, old, new = change
    shutil.copytree(k8s, tmp_path / "k8s")
    path = tmp_path / "k8s" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    whole = objects_of(built["laptop-serving"])
    changed = [
        item for item in objects_of(text_of(tmp_path / "k8s" / "overlays" / "laptop-serving")) if item not in whole
    ]
    for version in VERSIONS:
        assert any(invalid(item, version) for item in changed)


def test_every_pod_is_restricted(ours: list[Pod]) -> None:
    assert len(ours) >= 3
    assert [fault for pod in ours for fault in unrestricted(pod)] == []


def test_the_namespace_enforces_it(objects: list[Object]) -> None:
    [namespace] = (item for item in objects if item["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


LOOSE: dict[str, Callable[[Any, Any], Any]] = {
    "runAsNonRoot": lambda pod, own: [each["securityContext"].pop("runAsNonRoot", None) for each in (pod, own)],
    "runAsUser": lambda pod, _: pod["securityContext"].update(runAsUser=0),
    "seccompProfile": lambda pod, _: pod["securityContext"].pop("seccompProfile"),
    "allowPrivilegeEscalation": lambda _, own: own["securityContext"].pop("allowPrivilegeEscalation"),
    "privileged": lambda _, own: own["securityContext"].update(privileged=True),
    "capabilities": lambda _, own: own["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
    "readOnlyRootFilesystem": lambda _, own: own["securityContext"].pop("readOnlyRootFilesystem"),
    "hostNetwork": lambda pod, _: pod.update(hostNetwork=True),
    "hostPort": lambda _, own: own.update(ports=[{"containerPort": 1, "hostPort": 1}]),
    "volume": lambda pod, _: pod.setdefault("volumes", []).append({"name": "x", "hostPath": {"path": "/"}}),
}


@pytest.mark.parametrize("rule", LOOSE)
def test_a_pod_that_is_not_is_caught(built: dict[str, str], rule: str) -> None:
    for pod in pods(objects_of(built["laptop-serving"])):
        spec = copy.deepcopy(pod.spec)
        LOOSE[rule](spec, spec["containers"][0])
        assert any(rule in fault for fault in unrestricted(pod._replace(spec=spec))), pod.of


def test_no_pod_gets_a_token_or_the_variables_of_services(ours: list[Pod]) -> None:
    """A service called mlflow sets MLFLOW_PORT to tcp://..., which the server would take as its port."""
    assert {pod.spec["automountServiceAccountToken"] for pod in ours} == {False}
    assert {pod.spec["enableServiceLinks"] for pod in ours if not pod.of.startswith("Inference")} == {False}


def test_every_image_has_a_fixed_tag(ours: list[Pod]) -> None:
    tags = {each["image"].partition(":")[2] for pod in ours for each in pod.containers}
    assert tags.isdisjoint({"", "latest"})


def test_every_reference_resolves(objects: list[Object]) -> None:
    assert list(unresolved(objects)) == []


NAMESPACE = dict.fromkeys(("Secret", "ConfigMap", "ServiceAccount", "Service"), "schwarz") | {"Role": "kubeflow"}


@pytest.mark.parametrize("kind", NAMESPACE)
def test_a_reference_to_nothing_is_caught(built: dict[str, str], kind: str) -> None:
    objects = objects_of(built["laptop-serving"])
    theirs = next(item for item in objects if item["kind"] == kind and item["metadata"]["namespace"] == NAMESPACE[kind])
    theirs["metadata"]["name"] = "another"
    if kind == "Service":
        objects = [item for item in objects if item["kind"] != "Service"]
    assert list(unresolved(objects)) != []


def test_all_pods_together_fit_the_quota(objects: list[Object], ours: list[Pod]) -> None:
    [quota] = (item["spec"]["hard"] for item in objects if item["kind"] == "ResourceQuota")
    for part in ("requests", "limits"):
        for name in ("cpu", "memory", "nvidia.com/gpu"):
            asked = [(p.copies, c["resources"][part].get(name, "0")) for p in ours for c in p.containers]
            total = sum(copies * amount(text) for copies, text in asked)
            assert total <= amount(quota.get(f"{part}.{name}", "1000")), (part, name)
    [limits] = (item["spec"]["limits"] for item in objects if item["kind"] == "LimitRange")
    most = {name: amount(text) for name, text in limits[0]["max"].items()}
    assert all(
        amount(c["resources"]["limits"][name]) <= most[name] for p in ours for c in p.containers for name in most
    )


def test_all_use_one_object_store(objects: list[Object], text: str) -> None:
    """Its endpoint stands in the secret for us and in an annotation of it for KServe; its bucket in two places."""
    stores = [item for item in objects if called(item).endswith("/schwarz-object-store")]
    assert len(stores) == 2  # in our namespace and in the pipelines'
    for item in stores:
        notes = item["metadata"]["annotations"]
        endpoint = base64.b64decode(item["data"]["AWS_ENDPOINT_URL"]).decode()
        assert endpoint == f"http://{notes['serving.kserve.io/s3-endpoint']}"
        assert notes["serving.kserve.io/s3-usehttps"] == "0"
    buckets = {part.split("/")[0] for part in text.split("s3://")[1:]}
    assert len(buckets) == 1


def test_a_platform_file_finds_what_it_names(objects: list[Object], ours: list[Pod]) -> None:
    """The one that `schwarz platform` prints: secrets and keys where pipelines run; MLflow under an allowed name."""
    there = {called(item): item for item in objects}
    for section in (EXAMPLE.store, EXAMPLE.mlflow):
        assert set(section.keys.values()) <= set(there[f"Secret kubeflow/{section.secret}"]["data"])
    assert "ServiceAccount kubeflow/schwarz" in there
    host = (EXAMPLE.mlflow.uri or "").removeprefix("http://")
    name, _, port = host.partition(":")
    service, namespace = name.split(".")
    assert int(port) in {each["port"] for each in there[f"Service {namespace}/{service}"]["spec"]["ports"]}
    [mlflow] = (pod for pod in ours if pod.labels["app.kubernetes.io/name"] == "mlflow")
    assert host in mlflow.containers[0]["args"][-1].partition("=")[2].split(",")


def test_a_profile_gets_an_overlay_as_the_readme_says(k8s: Path, tmp_path: Path) -> None:
    shutil.copytree(k8s, tmp_path / "k8s")
    written = (k8s / "README.md").read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    overlay = tmp_path / "k8s" / "overlays" / "team-a"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(f"{written}components: [../../components/own-store/address]\n")
    objects = objects_of(text_of(overlay))
    assert {item["metadata"]["namespace"] for item in objects} == {"team-a"}
    assert [fault for item in objects for fault in invalid(item, VERSIONS[0])] == []
    assert list(unresolved(objects)) == []
    [store] = (item["data"] for item in objects if called(item) == "Secret team-a/schwarz-object-store")
    assert base64.b64decode(store["AWS_ENDPOINT_URL"]) == b"http://object-store.schwarz:8333"
