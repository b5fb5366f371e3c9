"""Kubernetes objects as `kubectl kustomize` builds them, and what is wrong with them."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import kubernetes_validate as kv
import yaml

Object = dict[str, Any]
ROOT = Path(__file__).parents[3]
MADE = "made-by-secrets.sh.env"
"""The ignored file that each generator of secrets reads."""
SCHEMA = json.loads(Path(__file__).with_name("inference-service.schema.json").read_text())
PREDICTOR, MODEL = (
    set(part["properties"])
    for predictor in [SCHEMA["properties"]["spec"]["properties"]["predictor"]]
    for part in (predictor, predictor["properties"]["model"])
)
"""Fields of KServe's own; what else stands beside them belongs to a pod or a container."""


def text_of(folder: Path) -> str:
    """What `kubectl apply -k FOLDER` would send. A build that fails is a CalledProcessError with its message."""
    return subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout


def with_secrets(folder: Path) -> Path:
    """k8s/ of the checkout, copied, with secrets of its own: those of the person who tests are left alone."""
    copy = folder / "k8s"
    shutil.copytree(ROOT / "k8s", copy, ignore=shutil.ignore_patterns(MADE))
    subprocess.run([copy / "secrets.sh"], check=True, capture_output=True)
    return copy


def objects_of(text: str) -> list[Object]:
    return list(yaml.load_all(text, yaml.CSafeLoader))  # as safe, ten times as fast


def called(item: Object) -> str:
    return f"{item['kind']} {item['metadata'].get('namespace', '-')}/{item['metadata']['name']}"


class Pod(NamedTuple):
    """The pods that one object makes."""

    of: str
    namespace: str
    labels: Mapping[str, str]
    spec: Object
    copies: int

    @property
    def containers(self) -> list[Object]:
        return [*self.spec["containers"], *self.spec.get("initContainers", [])]


def pods(objects: list[Object]) -> list[Pod]:
    return [pod for item in objects for pod in _pod(item)]


def _pod(item: Object) -> Iterator[Pod]:
    name, namespace, spec = called(item), item["metadata"].get("namespace", ""), item.get("spec", {})
    if item["kind"] == "InferenceService":
        predictor = spec["predictor"]
        container = {key: value for key, value in predictor["model"].items() if key not in MODEL}
        rest = {key: value for key, value in predictor.items() if key not in PREDICTOR}
        # KServe puts the container together with that of its runtime, which gives the image and its port
        triton = {"name": "kserve-container", "image": "of-the-runtime:1", "ports": [{"containerPort": 8080}]}
        whole = {**rest, "containers": [{**triton, **container}]}
        yield Pod(name, namespace, predictor.get("labels", {}), whole, predictor.get("maxReplicas", 1))
    elif "template" in spec:
        template = spec["template"]
        yield Pod(name, namespace, template["metadata"]["labels"], template["spec"], spec.get("replicas", 1))


def environment(container: Object, namespace: str, objects: list[Object]) -> dict[str, str]:
    """What a container's process finds in its environment."""
    data = {called(item): _values(item) for item in objects if item["kind"] in ("Secret", "ConfigMap")}
    found: dict[str, str] = {}
    for entry in container.get("envFrom", []):
        found |= data[f"Secret {namespace}/{entry['secretRef']['name']}"]
    for entry in container.get("env", []):
        if "value" in entry:
            found[entry["name"]] = entry["value"]
        else:
            [(kind, source)] = entry["valueFrom"].items()
            kind = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}[kind]
            found[entry["name"]] = data[f"{kind} {namespace}/{source['name']}"][source["key"]]
    return found


def _values(item: Object) -> dict[str, str]:
    decoded = item["kind"] == "Secret"
    return {key: base64.b64decode(text).decode() if decoded else text for key, text in item.get("data", {}).items()}


def invalid(item: Object, version: str) -> list[str]:
    """What the schemas of Kubernetes, and ours of KServe, say against an object."""
    try:
        if item["kind"] == "InferenceService":
            jsonschema.validate(item, SCHEMA)
            [pod] = _pod(item)
            item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": pod.spec}
        kv.validate(item, version, strict=True)
    except (jsonschema.ValidationError, kv.SchemaNotFoundError) as fault:
        return [f"{called(item)}: {fault.message}"]
    return []


def amount(text: str) -> float:
    """A Kubernetes quantity, of the units that are used here."""
    units = {"m": 1e-3, "Mi": 2.0**20, "Gi": 2.0**30}
    unit = next((each for each in units if text.endswith(each)), "")
    return float(text.removesuffix(unit)) * units.get(unit, 1.0)


def unrestricted(pod: Pod) -> Iterator[str]:
    """What the pod security level `restricted` would refuse, and a root filesystem that can be written."""
    of_pod = pod.spec.get("securityContext", {})
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield f"{pod.of}: {key}"
    for volume in pod.spec.get("volumes", []):
        if not {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected"} & set(volume):
            yield f"{pod.of}: volume {volume['name']} is of a kind that is not allowed"
    for container in pod.containers:
        own = container.get("securityContext", {})
        both = {**of_pod, **own}
        good = {
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "runAsUser is a number above 0": both.get("runAsUser", 0) > 0,
            "seccompProfile": both.get("seccompProfile", {}).get("type") == "RuntimeDefault",
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "privileged": not own.get("privileged"),
            "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
            "hostPort": not any("hostPort" in port for port in container.get("ports", [])),
        }
        yield from (f"{pod.of}: {container['name']}: {rule}" for rule, holds in good.items() if not holds)


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """As Kubernetes understands a label selector, of the operators that are used here."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", rule
        wanted = wanted and labels.get(rule["key"]) in rule["values"]
    return wanted


def unresolved(objects: list[Object]) -> Iterator[str]:
    """References to what is not among the objects."""
    there = {called(item): item for item in objects}
    for pod in pods(objects):
        for kind, name, keys in _named(pod.spec):
            item = there.get(f"{kind} {pod.namespace}/{name}")
            if item is None:
                yield f"{pod.of}: no {kind} {name}"
            elif missing := keys - set(item.get("data", {})):
                yield f"{pod.of}: {kind} {name} has no {', '.join(sorted(missing))}"
    for item in objects:
        yield from _lost(item, there, pods(objects))


def _named(spec: Object) -> Iterator[tuple[str, str, set[str]]]:
    """Kind, name and keys of all that a pod refers to."""
    yield "ServiceAccount", spec["serviceAccountName"], set()
    for volume in spec.get("volumes", []):
        for kind, field, name in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
            if source := volume.get(field):
                yield kind, source[name], {entry["key"] for entry in source.get("items", [])}
    for container in (*spec["containers"], *spec.get("initContainers", [])):
        for entry in container.get("env", []):
            for kind, field in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
                if source := entry.get("valueFrom", {}).get(field):
                    yield kind, source["name"], {source["key"]}
        for entry in container.get("envFrom", []):
            for kind, field in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
                if source := entry.get(field):
                    yield kind, source["name"], set()


def _lost(item: Object, there: Mapping[str, Object], running: list[Pod]) -> Iterator[str]:
    namespace = item["metadata"].get("namespace")
    if item["kind"] == "Service":
        behind = [
            p
            for p in running
            if p.namespace == namespace and matches({"matchLabels": item["spec"]["selector"]}, p.labels)
        ]
        ports = {port.get("name") for pod in behind for each in pod.containers for port in each.get("ports", [])}
        yield from (
            f"{called(item)}: {port['targetPort']}" for port in item["spec"]["ports"] if port["targetPort"] not in ports
        )
    elif item["kind"] == "StatefulSet":
        if f"Service {namespace}/{item['spec']['serviceName']}" not in there:
            yield f"{called(item)}: no Service {item['spec']['serviceName']}"
    elif item["kind"] == "ServiceAccount":
        wanted = (f"Secret {namespace}/{secret['name']}" for secret in item.get("secrets", []))
        yield from (f"{called(item)}: no {name}" for name in wanted if name not in there)
    elif item["kind"] == "RoleBinding":
        subjects = (f"{each['kind']} {each['namespace']}/{each['name']}" for each in item["subjects"])
        role = f"{item['roleRef']['kind']} {namespace}/{item['roleRef']['name']}"
        yield from (f"{called(item)}: no {name}" for name in (*subjects, role) if name not in there)
    for pod in running:
        if pod.of == called(item):
            yield from _unmounted(item, pod)


def _unmounted(item: Object, pod: Pod) -> Iterator[str]:
    """Mounts of volumes that the pod does not have."""
    claims = {each["metadata"]["name"] for each in item["spec"].get("volumeClaimTemplates", [])}
    has = claims | {volume["name"] for volume in pod.spec.get("volumes", [])}
    for container in pod.containers:
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        yield from (f"{pod.of}: no volume {name}" for name in sorted(mounts - has))
