"""Send what MLflow does not have yet of a run, after it."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schwarz.errors import SchwarzError
from schwarz.locks import Busy, locked
from schwarz.tracking.ledger import address
from schwarz.tracking.registry import register_postponed
from schwarz.tracking.sender import Sender, Sent
from schwarz.tracking.server import UPLOAD_S, Unreachable, default_uri, embedded_uri, reachable, shown
from schwarz.tracking.tracked import Tracked, of_run


def sync(folder: Path) -> str:
    """Send the rest of a run's journal, end its MLflow runs, register its model if that is still to be done.

    Goes to MLFLOW_TRACKING_URI, else to where the run was sent. Says what was sent; a second call sends nothing.
    """
    from schwarz.runs import open_run  # and with it the configuration's types, which a pod does not need

    run = of_run(open_run(folder))
    return send_rest(run, os.environ.get("MLFLOW_TRACKING_URI") or address(run.path) or default_uri(Path.cwd()))


def send_rest(run: Tracked, uri: str) -> str:
    """Send what a store does not have yet of a run that has ended; what was sent, in words."""
    if reason := reachable(uri):
        raise SchwarzError(f"MLflow at {shown(uri)} does not answer ({reason}). {_remedy(run)}")
    try:
        with sending(run, wait=False):
            return _send(run, uri)
    except Busy:
        raise SchwarzError(
            f"{run.place}: its metrics are being sent by another process now: nothing is left to do."
        ) from None
    except Unreachable as fault:
        raise SchwarzError(f"{fault}. {_remedy(run)}") from fault


@contextmanager
def sending(run: Tracked, *, wait: bool = True) -> Iterator[None]:
    """Be the only one that sends this run's journal; Busy when another is and `wait` is off."""
    with locked(run.journal / ".sender.lock", wait=wait):
        yield


def _send(run: Tracked, uri: str) -> str:
    sender = Sender(run, uri, UPLOAD_S)
    sent = sender.send()
    registered = register_postponed(run, uri)
    closed = sender.close()
    if not closed and not registered and sent == Sent():
        return f"MLflow at {shown(uri)} has all of {run.place}: nothing was sent."
    parts = [f"{sent.metrics} metrics of {sent.runs} runs"] if sent != Sent() else []
    parts += ["model {name} version {version} ({alias})".format(**registered)] if registered else []
    parts += ["results and state"] if closed else []
    return f"Sent to MLflow at {shown(uri)}: {', '.join(parts)}."


def _remedy(run: Tracked) -> str:
    again, store = shlex.join(["schwarz", "track", "sync", run.place]), shlex.quote(embedded_uri(Path.cwd()))
    return (
        "Mend that, or set MLFLOW_TRACKING_URI to another server (`mlflow server --port 5000` starts one), and repeat "
        f"`{again}`; or, to keep the record in files, `MLFLOW_TRACKING_URI={store} {again}`. "
        f"Nothing is lost meanwhile: {run.place if run.in_pods else run.journal} holds it all."
    )
