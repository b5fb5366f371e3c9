"""How MLflow is told of the step that runs here: a local run's journal is sent by the process beside the pipeline, a
pod's by one beside the step, which keeps it in the store as well."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from schwarz import tracking
from schwarz.journal import read
from schwarz.runs import open_run
from schwarz.steps.place import run_folder, scratch, store
from schwarz.storage import open_store

ALONE = ("begin", "prepare_data", "split", "evaluate", "export_onnx", "register", "report")
"""Steps that no other runs beside: the first opens the parent run, the others where it could not."""


@dataclass(frozen=True)
class Telling:
    """The pipeline run that this step belongs to, as MLflow knows it."""

    run: tracking.Tracked
    spool: tracking.Spool | None
    """Where a pod keeps what is to be sent by a later one."""

    @classmethod
    def in_run(cls, run: Path) -> Self:
        """Of a local run."""
        return cls(tracking.of_run(open_run(run)), None)

    @classmethod
    def in_pod(cls) -> Self | None:
        """None where no pod is told which run it belongs to, as in a trial of one step."""
        uid = os.environ.get("SCHWARZ_RUN_ID")
        if uid is None or run_folder():
            return None
        scratch().mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=scratch(), prefix="told-"))
        told = tracking.in_pod(folder, uid, os.environ.get("SCHWARZ_PRESET", "schwarz"), store())
        return cls(told, tracking.spool_in(open_store(store()), uid))

    def keep(self, *files: Path) -> None:
        """Leave files of a pod for whoever sends the rest."""
        if self.spool:
            for file in files:
                self.spool.put(file.name, file)

    def done_with(self) -> list[str]:
        """The keys of the checkpoints that its pods left, if the run is whole: else another may go on from them."""
        if self.spool is None:
            return []
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            there = self.spool.fetch(Path(folder))
            events = list(read(Path(folder) / "logs" / "journal"))
        whole = "results.json" in there
        return [event["checkpoints"] for event in events if whole and event.get("checkpoints")]

    @contextmanager
    def beside(self, step: str) -> Iterator[None]:
        """Send what is journalled meanwhile, if that is for this process to do."""
        if self.spool is None:
            yield
        else:
            with tracking.beside(self.run, self.spool, alone=step in ALONE):
                yield
