"""The way to MLflow: what a run journals becomes one parent run, its nested runs and a registered model.

Steps write to the journal and never wait for a server. One process beside the pipeline (`python -m schwarz.tracking
RUN`) sends the journal while the run goes on; `sync` sends what was left. Only this package imports mlflow, and late:
the import costs more than a second.
"""

from schwarz.tracking.ledger import is_parent, parent_id
from schwarz.tracking.records import Recorded, recorded
from schwarz.tracking.registry import Entry, register_model
from schwarz.tracking.server import Unreachable, default_uri, reachable, shown
from schwarz.tracking.sync import sync

__all__ = [
    "Entry",
    "Recorded",
    "Unreachable",
    "default_uri",
    "is_parent",
    "parent_id",
    "reachable",
    "recorded",
    "register_model",
    "shown",
    "sync",
]
