"""Send what the pods of a run left, once the run has ended: from its last pod, or later from anywhere."""

import os
import tempfile
from pathlib import Path

from schwarz.errors import WrongInput
from schwarz.tracking.ledger import address, merge
from schwarz.tracking.server import default_uri
from schwarz.tracking.spool import Spool, Store, spool_in
from schwarz.tracking.sync import send_rest
from schwarz.tracking.tracked import IDENTITY, Tracked, of_pods


def finish(run: Tracked, store: Store) -> str:
    """The last step of a pipeline, whatever became of the others: send what is missing of every pod's journal, end
    every MLflow run that still goes on, and the parent as the journals say. What was sent, in words; SchwarzError with
    the remedy when MLflow does not take it: then it is all in the spool."""
    with tempfile.TemporaryDirectory(prefix="schwarz-") as scratch:
        spool = spool_in(store, run.uid)
        there = spool.fetch(Path(scratch))
        left = of_pods(Path(scratch), run.place) if IDENTITY in there else run
        uri = _address(left)
        if uri is None:
            raise WrongInput(
                "MLFLOW_TRACKING_URI is not set: nothing was sent to MLflow. Set it to the address of a server and "
                f"type `schwarz track sync {run.place}`."
            )
        return _replay(left, there, spool, uri)


def sync_spool(store: Store) -> str:
    """The same from anywhere, of the spool that `store` is: `.../spool/<uid>`."""
    with tempfile.TemporaryDirectory(prefix="schwarz-") as scratch:
        there = Spool(store).fetch(Path(scratch))
        if IDENTITY not in there:
            raise WrongInput(f"{store.uri}: no pod left anything there. A spool is the store's spool/<run id>.")
        left = of_pods(Path(scratch), store.uri)
        return _replay(left, there, Spool(store), _address(left) or default_uri(Path.cwd()))


def _address(left: Tracked) -> str | None:
    """Where to: MLFLOW_TRACKING_URI, else where the pods sent to."""
    merge(left.path)
    return os.environ.get("MLFLOW_TRACKING_URI") or address(left.path)


def _replay(left: Tracked, there: list[str], spool: Spool, uri: str) -> str:
    """Send it, and leave in the spool what is so from now on."""
    try:
        return send_rest(left, uri)
    finally:
        for name in ("logs/journal/sent.json", "results.json"):
            if (left.path / name).exists():
                spool.keep(left, left.path / name)
        for name in there:
            if not (left.path / name).exists():  # registered by now
                spool.drop(name)
