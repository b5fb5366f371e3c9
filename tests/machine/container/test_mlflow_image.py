"""The tracking server's image: runs in PostgreSQL, artifacts on the object store, nobody without a login."""

import base64
import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schwarz.stack import Postgres, Seaweed
from schwarz.stack.ports import free
from tests.machine.container.engine import CAGE, Images, container, docker
from tests.waiting import until

LOGINS = """
[mlflow]
default_permission = READ
database_uri = {MLFLOW_BACKEND_STORE_URI}
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@dataclass(frozen=True)
class Tracking:
    """The server in its container, and the password of its first user."""

    port: int
    password: str
    store: Seaweed

    def ask(self, path: str, body: bytes | None = None, method: str | None = None, login: bool = True) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, method=method)
        if login:
            word = base64.b64encode(f"admin:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {word}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # an address of this machine
            return answer.read()

    def told(self, call: str, **fields: Any) -> dict[str, Any]:
        return json.loads(self.ask(f"/api/2.0/mlflow/{call}", json.dumps(fields).encode()))

    def answers(self) -> bool:
        try:
            return self.ask("/health", login=False) == b"OK"
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(images: Images, room: Path) -> Iterator[Tracking]:
    """It shares the machine's network, where the database and the store listen on loopback."""
    store, database = Seaweed(room / "seaweed"), Postgres(room / "postgres")
    if reason := database.missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"PostgreSQL: {reason}")
    try:
        store.start()
        database.start()
        yield from in_container(images, room, store, database)
    finally:
        database.stop()
        store.stop()


def in_container(images: Images, folder: Path, store: Seaweed, database: Postgres) -> Iterator[Tracking]:
    (folder / "logins.ini").write_text(LOGINS.format(**database.environment))
    (folder / "logins.ini").chmod(0o644)
    password, (port,) = secrets.token_hex(12), free(1)
    environment = {
        **store.environment, **database.environment,
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://schwarz/mlflow",
        "MLFLOW_AUTH_CONFIG_PATH": "/etc/logins.ini",
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(12),
    }  # fmt: skip
    given = [f"--env={name}={value}" for name, value in environment.items()]
    mount = f"--volume={folder / 'logins.ini'}:/etc/logins.ini:ro"
    command = ["mlflow", "server", "--app-name=basic-auth", "--host=127.0.0.1", f"--port={port}", "--workers=1"]
    with container(*CAGE, "--tmpfs=/tmp", "--network=host", mount, *given, images.name("mlflow"), *command) as identity:
        one = Tracking(port, password, store)
        until(lambda: one.answers() or not running(identity), every_s=0.5, limit_s=300)
        assert running(identity), docker("logs", identity)
        yield one


def running(identity: str) -> bool:
    return docker("inspect", "--format={{.State.Running}}", identity).strip() == "true"


def test_nobody_is_told_anything_without_a_login(server: Tracking) -> None:
    asked = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        server.ask(asked, login=False)
    assert json.loads(server.ask(asked))["experiment"]["name"] == "Default"


def test_runs_are_kept_and_artifacts_lie_on_the_object_store(server: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    experiment = server.told("experiments/create", name="quick")["experiment_id"]
    run = server.told("runs/create", experiment_id=experiment)["run"]["info"]
    server.told("runs/log-metric", run_id=run["run_id"], key="accuracy", value=0.5, timestamp=1, step=0)
    (found,) = server.told("runs/search", experiment_ids=[experiment])["runs"]
    assert found["data"]["metrics"][0]["value"] == 0.5
    place = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    server.ask(f"/api/2.0/mlflow-artifacts/artifacts/{place}/report.html", b"<p>", "PUT")
    for name, value in server.store.environment.items():
        monkeypatch.setenv(name, value)
    (there,) = boto3.client("s3").list_objects_v2(Bucket="schwarz")["Contents"]
    assert there["Key"] == f"mlflow/{place}/report.html"
    assert there["Size"] == 3
