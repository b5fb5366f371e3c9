"""Pods of the manifests as containers: with the rights, limits, folders and commands that they say, in our images.

SeaweedFS and PostgreSQL have images of others, which cannot be had here: the program of the one is laid into our base
image, for the other MLflow uses a file.
"""

import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.container.engine import Images, container, docker
from tests.machine.manifests.objects import (
    Object,
    Pod,
    amount,
    environment,
    objects_of,
    pods,
    text_of,
    unrestricted,
    with_secrets,
)

ASK = """
import base64, http.client, os, sys
login = base64.b64encode(f"{os.environ['NAME']}:{os.environ['WORD']}".encode()).decode()
line = http.client.HTTPConnection("mlflow.schwarz", 5000)
line.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Authorization": f"Basic {login}"})
print(line.getresponse().status)
"""
UP = """
import sys, time, urllib.request
for _ in range(600):  # as long as the startup probe
    try:
        sys.exit(urllib.request.urlopen(sys.argv[1]).status != 200)
    except OSError as fault:
        time.sleep(0.5)
sys.exit("it does not answer")
"""


class Cluster:
    """A network of containers with the names that pods have."""

    def __init__(self, objects: list[Object], folder: Path, image: str, base: str) -> None:
        self.objects, self.folder, self.image, self.base = objects, folder, image, base
        self.network = f"schwarz-{secrets.token_hex(4)}"
        self.pods = {pod.of.partition("/")[2]: pod for pod in pods(objects)}

    def flags(self, name: str) -> list[str]:
        """Of `docker run`, as the pod says."""
        pod = self.pods[name]
        assert list(unrestricted(pod)) == []
        [each] = pod.containers
        user, limits = pod.spec["securityContext"], each["resources"]["limits"]
        rights = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        return [
            *rights, f"--user={user['runAsUser']}:{user['runAsGroup']}", f"--memory={amount(limits['memory']):.0f}",
            f"--memory-swap={amount(limits['memory']):.0f}", f"--cpus={amount(limits['cpu'])}", *self.mounts(name, pod),
            f"--network={self.network}", f"--network-alias={name}", f"--network-alias={name}.schwarz",
        ]  # fmt: skip

    def mounts(self, name: str, pod: Pod) -> Iterator[str]:
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        for mount in pod.containers[0]["volumeMounts"]:
            volume = volumes.get(mount["name"], {})
            if "emptyDir" in volume:
                yield f"--tmpfs={mount['mountPath']}:size={amount(volume['emptyDir']['sizeLimit']):.0f},mode=1777"
                continue
            place = self.folder / name / mount["name"]
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o777)
            if "configMap" in volume:
                [config] = (item for item in self.objects if item["metadata"]["name"] == volume["configMap"]["name"])
                for entry in volume["configMap"]["items"]:
                    (place / entry["path"]).write_text(config["data"][entry["key"]], encoding="utf-8")
            yield f"--volume={place}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"

    def run(self, name: str, image: str, *more: str, **other: str) -> list[str]:
        """Arguments of `docker run`: a pod with another image, further flags, other values in its environment."""
        each = self.pods[name].containers[0]
        told = [f"--env={key}={value}" for key, value in (self.settings(name) | other).items()]
        return [*self.flags(name), *told, *more, image, *each["command"], *each.get("args", [])]

    def settings(self, name: str) -> dict[str, str]:
        return environment(self.pods[name].containers[0], "schwarz", self.objects)

    def ask(self, *words: str, **told: str) -> str:
        """What Python prints in a container of the network."""
        settings = [f"--env={key}={value}" for key, value in told.items()]
        command = ("run", "--rm", f"--network={self.network}", *settings, self.image, "python", "-c", *words)
        return docker(*command, timeout_s=400)


@pytest.fixture
def cluster(images: Images, tmp_path: Path) -> Iterator[Cluster]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")  # tests/machine/manifests: in CI its absence is a failure there
    tmp_path.chmod(0o755)
    objects = objects_of(text_of(with_secrets(tmp_path) / "overlays" / "laptop"))
    cluster = Cluster(objects, tmp_path, images.name("mlflow"), images.base)
    docker("network", "create", "--internal", cluster.network)
    yield cluster
    docker("network", "rm", cluster.network)


def test_pods_of_the_manifests_run_as_they_say(cluster: Cluster) -> None:
    weed = f"--volume={Path(sys.executable).parent / 'weed'}:/usr/bin/weed:ro"
    uri, file = cluster.settings("mlflow")["MLFLOW_BACKEND_STORE_URI"], "sqlite:////tmp/mlflow.db"
    server = cluster.run("mlflow", cluster.image, MLFLOW_BACKEND_STORE_URI=file)
    users = cluster.folder / "mlflow" / "config" / "basic_auth.ini"
    users.write_text(users.read_text().replace(uri, file))
    with container(*cluster.run("object-store", cluster.base, weed)), container(*server):
        cluster.ask(UP, "http://object-store.schwarz:8333/status")
        cluster.ask(UP, "http://mlflow.schwarz:5000/health")
        said = docker("run", "--rm", *cluster.run("mlflow-login", cluster.image))
        assert said == "the user pipeline is there, with the password of the secret\n"
        login = cluster.settings("mlflow-login")
        known = {"NAME": login["MLFLOW_TRACKING_USERNAME"], "WORD": login["MLFLOW_TRACKING_PASSWORD"]}
        assert cluster.ask(ASK, **known) == "200\n"
        assert cluster.ask(ASK, **known | {"WORD": "another"}) == "401\n"
