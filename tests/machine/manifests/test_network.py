"""What the network policies let through, as Kubernetes reads them."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from schwarz.platform_file import EXAMPLE
from tests.machine.manifests.objects import Object, Pod, called, matches, objects_of, pods

STEP = {"pipelines.kubeflow.org/v2_component": "true", **EXAMPLE.labels}
"""Labels of a step's pod: Kubeflow's, and those of a platform file."""
ELSEWHERE: dict[str, list[Mapping[str, str]]] = {
    "kubeflow": [STEP, {"app": "seaweedfs"}, {"app": "ml-pipeline"}, {"component": "metadata-grpc-server"}],
    "kube-system": [{"k8s-app": "kube-dns"}],
    "istio-system": [{}],
}
"""Pods of namespaces that others bring, by their labels."""


class End(NamedTuple):
    """One end of a connection."""

    namespace: str
    labels: Mapping[str, str]

    @property
    def names(self) -> dict[str, str]:
        """The labels of its namespace."""
        profile = {"app.kubernetes.io/part-of": "kubeflow-profile"} if self.namespace == "team-a" else {}
        return {"kubernetes.io/metadata.name": self.namespace, **profile}


def named(name: str) -> End:
    return End("schwarz", {"app.kubernetes.io/name": name})


MLFLOW, LOGIN, POSTGRES, STORE, TRITON = map(named, ("mlflow", "mlflow-login", "postgres", "object-store", "triton"))
THEIRS = End("kubeflow", {"app": "seaweedfs"})
RUN, TEAM, OTHER = End("kubeflow", STEP), End("team-a", STEP), End("elsewhere", STEP)
DNS = End("kube-system", {"k8s-app": "kube-dns"})
API, METADATA = End("kubeflow", {"app": "ml-pipeline"}), End("kubeflow", {"component": "metadata-grpc-server"})
WANTED = {
    "laptop-serving": [
        (RUN, MLFLOW, 5000), (TEAM, MLFLOW, 5000), (RUN, STORE, 8333), (TEAM, STORE, 8333), (RUN, THEIRS, 8333),
        (RUN, API, 8887), (RUN, API, 8888), (RUN, METADATA, 8080), (RUN, DNS, 53), (API, MLFLOW, 5000),
        (MLFLOW, POSTGRES, 5432), (MLFLOW, STORE, 8333), (MLFLOW, DNS, 53), (LOGIN, MLFLOW, 5000), (LOGIN, DNS, 53),
        (TRITON, STORE, 8333), (TRITON, DNS, 53), (End("istio-system", {}), TRITON, 8080), (TEAM, TRITON, 8080),
    ],
    "gpu": [
        (RUN, MLFLOW, 5000), (RUN, THEIRS, 8333), (MLFLOW, POSTGRES, 5432), (MLFLOW, THEIRS, 8333),
        (LOGIN, MLFLOW, 5000), (TRITON, THEIRS, 8333), (End("istio-system", {}), TRITON, 8080),
        (API, THEIRS, 8333), (API, THEIRS, 8111), (TEAM, THEIRS, 8333),
    ],
}  # fmt: skip
UNWANTED = [
    (RUN, POSTGRES, 5432), (TEAM, POSTGRES, 5432), (TRITON, POSTGRES, 5432), (LOGIN, POSTGRES, 5432),
    (OTHER, MLFLOW, 5000), (TRITON, MLFLOW, 5000), (STORE, MLFLOW, 5000), (POSTGRES, MLFLOW, 5000),
    (OTHER, STORE, 8333), (LOGIN, STORE, 8333), (RUN, STORE, 8888), (MLFLOW, STORE, 9333), (OTHER, LOGIN, 80),
    (OTHER, TRITON, 8080), (RUN, TRITON, 8080), (MLFLOW, TRITON, 8080), (OTHER, THEIRS, 8333), (TEAM, THEIRS, 9333),
    (MLFLOW, OTHER, 443), (STORE, OTHER, 443), (RUN, OTHER, 80),
]  # fmt: skip


def passes(objects: list[Object], source: End, target: End, port: int) -> bool:
    """Whether policies let `source` connect to `target`: one that selects neither end says nothing."""
    ways = ((source, target, "Egress", "to"), (target, source, "Ingress", "from"))
    return all(_way(objects, of, other, kind, key, port) for of, other, kind, key in ways)


def _way(objects: list[Object], of: End, other: End, kind: str, key: str, port: int) -> bool:
    specs = [
        item["spec"]
        for item in objects
        if item["kind"] == "NetworkPolicy"
        and item["metadata"]["namespace"] == of.namespace
        and kind in item["spec"]["policyTypes"]
        and matches(item["spec"]["podSelector"], of.labels)
    ]
    rules = [rule for spec in specs for rule in spec.get(kind.lower(), [])]
    return not specs or any(
        port in {each["port"] for each in rule.get("ports", [{"port": port}])}
        and any(_is(peer, of, other) for peer in rule[key])
        for rule in rules
    )


def _is(peer: Object, of: End, other: End) -> bool:
    if "ipBlock" in peer:
        return False  # of no pod
    space = (
        matches(peer["namespaceSelector"], other.names)
        if "namespaceSelector" in peer
        else of.namespace == other.namespace
    )
    return space and matches(peer.get("podSelector", {}), other.labels)


@pytest.mark.parametrize("overlay", WANTED)
def test_what_is_needed_goes_through(built: dict[str, str], overlay: str) -> None:
    objects = objects_of(built[overlay])
    assert [way for way in WANTED[overlay] if not passes(objects, *way)] == []


def test_what_nobody_needs_does_not(objects: list[Object]) -> None:
    theirs = any(item["kind"] == "NetworkPolicy" and "seaweedfs" in item["metadata"]["name"] for item in objects)
    unwanted = [way for way in UNWANTED if theirs or way[1] != THEIRS]
    assert [way for way in unwanted if passes(objects, *way)] == []


def test_every_policy_is_needed(built: dict[str, str]) -> None:
    """Without it something that is needed does not go through, or something else does."""
    objects = objects_of(built["laptop-serving"])
    for policy in [item for item in objects if item["kind"] == "NetworkPolicy"]:
        fewer = [item for item in objects if item is not policy]
        lost = not all(passes(fewer, *way) for way in WANTED["laptop-serving"])
        assert lost or any(passes(fewer, *way) for way in UNWANTED if way[1] != THEIRS), called(policy)


def test_every_policy_selects_a_pod_and_lets_in_one_that_exists(
    objects: list[Object], ours: list[Pod], built: dict[str, str]
) -> None:
    every = [pod for text in built.values() for pod in pods(objects_of(text))]
    for item in objects:
        if item["kind"] != "NetworkPolicy":
            continue
        namespace, spec = item["metadata"]["namespace"], item["spec"]
        here = [pod.labels for pod in ours if pod.namespace == namespace] + ELSEWHERE.get(namespace, [])
        assert any(matches(spec["podSelector"], labels) for labels in here), called(item)
        for rule in (*spec.get("ingress", []), *spec.get("egress", [])):
            for peer in (*rule.get("from", []), *rule.get("to", [])):
                assert exists(peer, here, every), (called(item), peer)


def exists(peer: Object, here: list[Mapping[str, str]], ours: list[Pod]) -> bool:
    """Whether a peer of a policy is a pod of its own namespace, of ours, or of one that others bring."""
    if "ipBlock" in peer:
        return True
    if "namespaceSelector" in peer:
        [(key, name)] = peer["namespaceSelector"]["matchLabels"].items()
        profile = (key, name) == ("app.kubernetes.io/part-of", "kubeflow-profile")
        assert profile or key == "kubernetes.io/metadata.name", peer
        here = [STEP] if profile else [pod.labels for pod in ours if pod.namespace == name] + ELSEWHERE.get(name, [])
    return any(matches(peer.get("podSelector", {}), labels) for labels in here)


def test_what_no_policy_names_goes_neither_in_nor_out(objects: list[Object], ours: list[Pod]) -> None:
    denied = [
        item["metadata"]["namespace"]
        for item in objects
        if item["kind"] == "NetworkPolicy" and item["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ]
    assert set(denied) == {pod.namespace for pod in ours} == {"schwarz"}
