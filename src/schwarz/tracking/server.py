"""Reaching MLflow: which store it is, whether it answers, and a client that is quiet and gives up soon."""

import http.client
import os
import sqlite3
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schwarz.errors import SchwarzError
from schwarz.files import replacing
from schwarz.locks import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

EMBEDDED = "sqlite:///"
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")

LIVE_S, UPLOAD_S = 3, 30  # how long one request may take: beside a running pipeline; when a model is sent

# MLflow's documented switches; one that the person has set is left alone.
SWITCHES = {
    # By default 120 s and 7 retries: a hung server holds a call for 20 minutes. We try again later, from the journal.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is raised as well, and told once, by us
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # three small files are no progress to watch
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class Unreachable(SchwarzError):
    """MLflow did not take what was sent. Nothing is lost: the journal holds it."""


def default_uri(cwd: Path) -> str:
    """MLFLOW_TRACKING_URI, else the embedded store runs/mlflow.db under `cwd`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or embedded_uri(cwd)


def embedded_uri(cwd: Path) -> str:
    """The store in files beside the runs under `cwd`."""
    return f"{EMBEDDED}{cwd.absolute() / 'runs' / 'mlflow.db'}"


def shown(uri: str) -> str:
    """The address without user and password: fit for files, reports and messages."""
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else uri


def reachable(uri: str, timeout_s: float = 2.0) -> str | None:
    """Why nothing can be sent to MLflow at `uri`, or None. Imports no mlflow, and answers within `timeout_s`."""
    scheme = urlsplit(uri).scheme.split("+")[0]
    if scheme not in SCHEMES:
        return f"{uri!r} is no address of MLflow; one looks like http://127.0.0.1:5000"
    if uri.startswith(EMBEDDED):
        return _openable(Path(uri.removeprefix(EMBEDDED)), timeout_s)
    if scheme not in ("http", "https"):
        return None  # another database: the client says what is wrong with it
    answer = [f"no answer within {timeout_s:g} s"]
    # A thread, for nothing bounds the time that resolving a name may take.
    probe = threading.Thread(target=lambda: answer.append(_health(uri, timeout_s)), daemon=True)
    probe.start()
    probe.join(timeout_s)
    return answer[-1] or None


def connect(uri: str, timeout_s: int) -> "MlflowClient":
    """A client for `uri` whose requests end within `timeout_s`; the embedded store is made when it is not there.

    To be called inside `answering`.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(timeout_s))
    if uri.startswith(EMBEDDED):
        _make_store(Path(uri.removeprefix(EMBEDDED)))
    from mlflow import MlflowClient

    return MlflowClient(uri, registry_uri=uri)


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Work with MLflow: every way in which it, its database or its artifact store can fail becomes Unreachable."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)  # before mlflow is imported
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as fault:  # OSError: an artifact folder, or requests' errors
        status = fault.get_http_status_code() if isinstance(fault, MlflowException) else 0
        raise Unreachable(refused(uri, status, str(fault).strip() or type(fault).__name__)) from fault


def refused(uri: str, status: int, text: str) -> str:
    """What to say of a server that answered `status` and `text` to a request: with the remedy, where one is known."""
    place, host = f"MLflow at {shown(uri)}", urlsplit(shown(uri)).netloc
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or urlsplit(uri).username
    if status == 401 and not user:
        return f"{place} wants a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if status == 401:
        return (
            f"{place} does not take this password of the user {user!r}: mend MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, in a cluster the secret that holds them"
        )
    if status == 403 and "Invalid Host header" in text:
        return (
            f"{place} does not answer to the name {host}: start it with `mlflow server --allowed-hosts {host},...` or "
            "MLFLOW_SERVER_ALLOWED_HOSTS, and all names that it is to answer to"
        )
    if status == 403:
        return f"{place} does not let the user {user!r} do this: an administrator there can give permission"
    reason = text.splitlines()[0] if text else f"it answers {status}"
    return f"{place} failed: {reason.replace(uri.rstrip('/'), shown(uri).rstrip('/'))}"


def _make_store(database: Path) -> None:
    """Create MLflow's tables beside `database` and move them there.

    MLflow itself does it in place, without a lock: two processes at once end in "duplicate column", and one killed
    in the second that it takes leaves a store that nothing can open.
    """
    if database.exists():
        return
    from mlflow import MlflowClient

    with locked(database.parent / f".{database.name}.lock"):
        if not database.exists():
            with replacing(database) as temporary:
                MlflowClient(f"{EMBEDDED}{temporary}")


def _openable(database: Path, timeout_s: float) -> str | None:
    if not database.exists():
        parent = next(folder for folder in database.parents if folder.exists())
        usable = parent.is_dir() and os.access(parent, os.W_OK)
        return None if usable else f"{parent} is no folder that can be written to"
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", timeout=timeout_s, uri=True)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as fault:
        return f"{database}: {fault}"
    return None


def _health(uri: str, timeout_s: float) -> str:
    """What is wrong with the server, or ''. Any answer will do, even a refusal: then the client says what is amiss."""
    # Nothing secret is asked or told here, and the client may trust certificates that this process knows nothing of;
    # to read those that the system trusts takes longer than to ask.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{shown(uri).rstrip('/')}/health", timeout=timeout_s, context=context):  # noqa: S310  # http(s) only, see SCHEMES
            return ""
    except urllib.error.HTTPError as refusal:
        return f"it answers {refusal.code}" if refusal.code >= 500 else ""
    except (OSError, ValueError, http.client.HTTPException) as fault:
        return str(getattr(fault, "reason", fault)) or type(fault).__name__
