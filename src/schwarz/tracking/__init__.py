"""The way to MLflow: what a run journals becomes one parent run, its nested runs and a registered model.

Steps write to the journal and never wait for a server. On one machine a process beside the pipeline (`python -m
schwarz.tracking RUN`) sends the journal while the run goes on, and `sync` what was left. In a cluster a process beside
every step does (`beside`), which copies the journal to the object store as well; `finish` sends what was left there.
Only this package imports mlflow, and late: the import costs more than a second.
"""

from schwarz.tracking.client import trouble
from schwarz.tracking.ledger import is_parent, parent_id
from schwarz.tracking.models import GATE, Registry, Version, open_registry
from schwarz.tracking.pod import beside
from schwarz.tracking.records import Recorded, recorded
from schwarz.tracking.registry import Entry, register_model
from schwarz.tracking.replay import finish, sync_spool
from schwarz.tracking.server import Unreachable, default_uri, reachable, shown
from schwarz.tracking.spool import Spool, spool_in
from schwarz.tracking.sync import sync
from schwarz.tracking.tracked import About, Tracked, about, in_pod, of_run

__all__ = [
    "GATE",
    "About",
    "Entry",
    "Recorded",
    "Registry",
    "Spool",
    "Tracked",
    "Unreachable",
    "Version",
    "about",
    "beside",
    "default_uri",
    "finish",
    "in_pod",
    "is_parent",
    "of_run",
    "open_registry",
    "parent_id",
    "reachable",
    "recorded",
    "register_model",
    "shown",
    "spool_in",
    "sync",
    "sync_spool",
    "trouble",
]
