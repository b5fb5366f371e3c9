"""MLflow's tracking server: with a login, its artifacts on the object store, its runs in a database."""

import base64
import http.client
import sys
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from schwarz.errors import SchwarzError
from schwarz.stack.kept import secret, write_private
from schwarz.stack.ports import HOST
from schwarz.stack.postgres import Postgres
from schwarz.stack.seaweed import BUCKET, INSTALL, Seaweed
from schwarz.stack.server import Launch, Server

USER = "schwarz"
ASKED = "/api/2.0/mlflow/experiments/get?experiment_id=0"
AUTH = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///auth.db
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 300
"""
# One worker: its threads serve some dozen clients, and each further one costs 300 MB. What is remembered of logins,
# which saves most of the time of a small request, is right at once then, too.
SETTINGS = ("--app-name", "basic-auth", "--workers", "1", "--uvicorn-opts", "--no-access-log --log-level warning")


class TrackingServer(Server):
    """The MLflow server of one folder; its runs are in `database`, without one in SQLite files of the folder."""

    name = "MLflow"
    port_names: ClassVar = ("http",)
    wait_s = 600  # 13 CPU-seconds, on a machine that may be busy with much else

    def __init__(
        self, folder: Path, store: Seaweed, database: Postgres | None = None, ports: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(folder, ports)
        self.store, self.database = store, database

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.ports['http']}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client of MLflow needs."""
        return {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": secret(self.folder, "password"),
        }

    def prepare(self) -> None:
        lacking = [name for name in ("flask_wtf", "boto3") if find_spec(name) is None]
        if lacking:
            raise SchwarzError(f"MLflow's server needs {' and '.join(lacking)}, not installed. {INSTALL}")
        write_private(self.folder / "auth.ini", AUTH.format(user=USER, password=secret(self.folder, "password")))
        if not self.has_answered:  # one that was killed while it made its tables could not go on with them
            for file in self.folder.glob("*.db*"):
                file.unlink()

    def launch(self) -> Launch:
        port = str(self.ports["http"])
        hosts = f"{HOST}:{port},localhost:{port}"
        place = ("--host", HOST, "--port", port, "--allowed-hosts", hosts)
        command = (sys.executable, "-m", "mlflow", "server", *SETTINGS, *place)
        runs = self.database.environment if self.database else {"MLFLOW_BACKEND_STORE_URI": "sqlite:///runs.db"}
        own = {
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/mlflow",
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secret(self.folder, "session key"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        return Launch(command, {**self.store.environment, **runs, **own})

    def fault(self) -> str | None:
        login = f"{USER}:{secret(self.folder, 'password')}".encode()
        try:
            known = self._ask({"Authorization": f"Basic {base64.b64encode(login).decode()}"})
            stranger = self._ask({}) if known == 200 else 0
        except (OSError, http.client.HTTPException) as fault:
            return str(fault) or type(fault).__name__
        if known != 200:
            return f"asked with its login it answers {known}"
        return None if stranger == 401 else f"asked without a login it answers {stranger}, where 401 is right"

    def _ask(self, headers: dict[str, str]) -> int:
        with closing(http.client.HTTPConnection(HOST, self.ports["http"], timeout=20)) as connection:
            connection.request("GET", ASKED, headers=headers)
            return connection.getresponse().status
