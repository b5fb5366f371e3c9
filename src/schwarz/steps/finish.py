"""Last step of a pipeline in a cluster, whatever became of the others: what MLflow was not told yet is sent, no run
stays open there, and checkpoints that nobody goes on from any more are removed."""

import time
from pathlib import Path

from schwarz import tracking
from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import write_json
from schwarz.journal import Journal
from schwarz.steps.frame import Metrics, step
from schwarz.steps.mirror import forget
from schwarz.steps.place import store
from schwarz.steps.telling import Telling
from schwarz.storage import open_store

PATIENCE_S, PAUSE_S = 300.0, 10.0
"""How long an MLflow that is away is waited for, where nothing else waits any more; and between two tries."""


@step("finish", fresh=True)
def finish(*, journal: Journal, told: Telling | None, out: Path) -> Metrics:
    """Writes sent.json: what was sent, or why nothing was; the store has it all then, for `schwarz track sync`."""
    if told is None or told.spool is None:
        said = "SCHWARZ_RUN_ID is not set: MLflow was told nothing of this run."
    else:
        said = _sent(told)
        for key in told.done_with():
            forget(key)
    journal.write("note", text=said)
    print(said, flush=True)
    write_json(out / "sent.json", {"said": said})
    return {}


def _sent(told: Telling) -> str:
    limit = time.monotonic() + PATIENCE_S
    while True:
        try:
            return tracking.finish(told.run, open_store(store()))
        except SchwarzError as fault:  # an MLflow that is away fails no pipeline
            if isinstance(fault, WrongInput) or time.monotonic() + PAUSE_S > limit:
                return str(fault)
            print(f"{fault}\nTried again in {PAUSE_S:g} s.", flush=True)
        time.sleep(PAUSE_S)
