"""Makes the user that pipelines log in to MLflow as, or gives it its password anew. The job mlflow-login runs it."""

import http.client
import json
import os
import time
from base64 import b64encode
from contextlib import closing

SERVER = os.environ.get("MLFLOW_SERVER", "mlflow:5000")
PATIENCE_S = 300


def main() -> None:
    user = {key: os.environ[f"MLFLOW_TRACKING_{key.upper()}"] for key in ("username", "password")}
    wait()
    status, said = ask("POST", "/api/2.0/mlflow/users/create", user)
    if said.get("error_code") == "RESOURCE_ALREADY_EXISTS":
        status, said = ask("PATCH", "/api/2.0/mlflow/users/update-password", user)
    if status != 200:
        raise SystemExit(f"MLflow at {SERVER} answers {status}: {said.get('message', 'no word')}")
    print(f"the user {user['username']} is there, with the password of the secret")


def wait() -> None:
    """Until the server answers: at its first start it makes its tables."""
    end = time.monotonic() + PATIENCE_S
    while reason := unready():
        if time.monotonic() > end:
            raise SystemExit(f"MLflow at {SERVER} did not answer within {PATIENCE_S} s: {reason}")
        time.sleep(2)


def unready() -> str | None:
    try:
        status, _ = ask("GET", "/health")
    except OSError as fault:
        return str(fault)
    return None if status == 200 else f"status {status}"


def ask(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    """Status and answer to a request of the administrator."""
    login = b64encode(f"admin:{os.environ['MLFLOW_AUTH_ADMIN_PASSWORD']}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(SERVER, timeout=30)) as connection:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read()
    return answer.status, json.loads(text) if text.startswith(b"{") else {}


if __name__ == "__main__":
    main()
