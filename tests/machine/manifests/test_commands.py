"""What our pods run, with the arguments and the environment of the manifests: only addresses and folders are others."""

import base64
import http.client
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import mlflow
import pytest
from botocore.exceptions import ClientError

from schwarz.stack.postgres import Postgres
from tests.machine.manifests.objects import Object, called, environment, objects_of, pods
from tests.pipeline.journals import free_port
from tests.waiting import until

BIN = Path(sys.executable).parent
# mlflow 3.17 when it imports its own pyfunc, where it hides the warning from people
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


class Laptop:
    """The overlay `laptop`, its pods as processes of this machine."""

    def __init__(self, objects: list[Object], folder: Path, stack: ExitStack) -> None:
        self.objects, self.folder, self.stack = objects, folder, stack
        self.store, self.mlflow = (f"http://127.0.0.1:{free_port()}" for _ in range(2))

    def settings(self, pod: str) -> tuple[Object, dict[str, str]]:
        """The container of a pod, and its environment with the servers where they are here."""
        [container] = next(each.containers for each in pods(self.objects) if each.of == pod)
        found = environment(container, "schwarz", self.objects)
        return container, found | ({"AWS_ENDPOINT_URL": self.store} if "AWS_ENDPOINT_URL" in found else {})

    def run(self, name: str, command: list[str], settings: Mapping[str, str], ready: str) -> None:
        """Until the whole test session ends. `ready`: what its probe asks for."""
        log = self.stack.enter_context((self.folder / f"{name}.log").open("wb"))
        own = {"PATH": f"{BIN}:{os.environ['PATH']}", **settings, "HOME": str(self.folder)}
        process = subprocess.Popen(command, cwd=self.folder, env=own, stdout=log, stderr=log, start_new_session=True)
        self.stack.callback(end, process)
        until(lambda: status(ready) == 200, process, every_s=0.2)

    def secret(self, name: str) -> dict[str, str]:
        [item] = (item for item in self.objects if called(item) == f"Secret schwarz/{name}")
        return {key: base64.b64decode(text).decode() for key, text in item["data"].items()}


def end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def status(url: str, headers: Mapping[str, str] | None = None) -> int:
    """Of the answer; 0 without one."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=10)) as connection:
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(headers or {}))
            return connection.getresponse().status
        except OSError:
            return 0


def probe(container: Object) -> str:
    paths = {container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    [path] = paths
    return path


def other(arguments: list[str], changed: Mapping[str, str]) -> list[str]:
    """The arguments with some of them changed; each of these must be there."""
    assert set(changed) <= set(arguments)
    return [changed.get(argument, argument) for argument in arguments]


@pytest.fixture(scope="module")
def laptop(built: dict[str, str]) -> Iterator[Laptop]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="schwarz-")))
        folder.chmod(0o711)  # PostgreSQL does not run as root, and pytest's folders are closed to others
        yield Laptop(objects_of(built["laptop"]), folder, stack)


@pytest.fixture(scope="module")
def store(laptop: Laptop) -> Laptop:
    """With its SeaweedFS."""
    container, settings = laptop.settings("StatefulSet schwarz/object-store")
    port = laptop.store.rpartition(":")[2]
    (laptop.folder / "data").mkdir()
    here = {"-dir=/data": "-dir=data", "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1", "-s3.port=8333": f"-s3.port={port}"}
    more = [f"-{part}.port={free_port()}" for part in ("master", "volume", "filer", "admin")]
    command = [*container["command"], *other(container["args"], here), *more]
    laptop.run("store", command, settings, laptop.store + probe(container))
    return laptop


@pytest.fixture(scope="module")
def server(store: Laptop) -> Laptop:
    """With MLflow too, its tables in PostgreSQL where this machine has it, and its users beside its runs as there."""
    container, settings = store.settings("Deployment schwarz/mlflow")
    database = Postgres(store.folder / "postgres")
    uri = f"sqlite:///{store.folder}/mlflow.db"
    if missing := database.missing():
        assert not os.environ.get("CI"), missing
    else:
        database.start()
        store.stack.callback(database.stop)
        login = database.environment["MLFLOW_BACKEND_STORE_URI"]
        settings["PGPASSWORD"] = urlsplit(login).password or ""
        uri = login.replace(f":{settings['PGPASSWORD']}@", "@")
        assert urlsplit(uri).scheme == urlsplit(settings["MLFLOW_BACKEND_STORE_URI"]).scheme
    assert settings["MLFLOW_BACKEND_STORE_URI"] in store_of_users(store)
    (store.folder / "auth.ini").write_text(
        store_of_users(store).replace(settings["MLFLOW_BACKEND_STORE_URI"], uri), encoding="utf-8"
    )
    settings |= {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_AUTH_CONFIG_PATH": str(store.folder / "auth.ini")}
    here = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={store.mlflow.rpartition(':')[2]}"}
    command = [*container["command"], *other(container["args"], here)]
    store.run("mlflow", command, settings, store.mlflow + probe(container))
    return store


def store_of_users(laptop: Laptop) -> str:
    [config] = (item for item in laptop.objects if called(item).startswith("ConfigMap schwarz/mlflow"))
    return config["data"]["basic_auth.ini"]


def test_the_store_has_its_bucket_and_knows_its_keys_alone(store: Laptop) -> None:
    keys = store.secret("schwarz-object-store")

    def buckets(key: str) -> list[str]:
        client = boto3.client(
            "s3", endpoint_url=store.store, region_name=keys["AWS_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=key,
        )  # fmt: skip
        return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]

    until(lambda: buckets(keys["AWS_SECRET_ACCESS_KEY"]) == ["schwarz"], every_s=0.2)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        buckets("another")


def test_mlflow_answers_to_its_names_and_to_no_other(server: Laptop) -> None:
    asked = f"{server.mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0"
    for host in ("mlflow:5000", "mlflow.schwarz:5000", "mlflow.schwarz.svc.cluster.local:5000", "localhost:8080"):
        assert status(asked, {"Host": host}) == 401, host
    assert status(asked, {"Host": "mlflow.example.com"}) == 403
    assert status(f"{server.mlflow}/health", {"Host": "10.1.2.3:5000"}) == 200  # a probe names the pod's address


def test_a_pipeline_logs_in_as_the_user_that_the_job_makes(
    server: Laptop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container, settings = server.settings("Job schwarz/mlflow-login")
    assert container["command"][0] == "python"
    assert container["command"][1].endswith("/login.py")
    [config] = (item for item in server.objects if called(item).startswith("ConfigMap schwarz/mlflow"))
    (tmp_path / "login.py").write_text(config["data"]["login.py"], encoding="utf-8")
    for _ in range(2):  # the second time the user is there
        done = subprocess.run(
            [sys.executable, tmp_path / "login.py"], env={**settings, "MLFLOW_SERVER": urlsplit(server.mlflow).netloc},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "the user pipeline is there, with the password of the secret\n"
    for name, value in server.secret("schwarz-mlflow").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.mlflow)

    client = mlflow.MlflowClient(server.mlflow, registry_uri=server.mlflow)
    run = client.create_run(client.create_experiment("schwarz/quickstart"))
    client.log_metric(run.info.run_id, "loss", 0.5)
    (tmp_path / "report.html").write_text("<p>", encoding="utf-8")
    client.log_artifact(run.info.run_id, str(tmp_path / "report.html"))
    client.create_registered_model("quickstart")
    client.create_model_version("quickstart", run.info.artifact_uri or "", run.info.run_id)
    client.set_registered_model_alias("quickstart", "champion", "1")

    assert client.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
    keys = server.secret("schwarz-object-store")
    store = boto3.client(
        "s3", endpoint_url=server.store, region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    found = [item["Key"] for item in store.list_objects_v2(Bucket="schwarz", Prefix="mlflow/")["Contents"]]
    assert [name.rpartition("/")[2] for name in found] == ["report.html"]
