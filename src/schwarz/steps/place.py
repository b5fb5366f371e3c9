"""Where a step runs, and so where its result, its journal and its checkpoints lie: in the run folder of a run on this
machine, or in a pod, which is told by its environment alone and whose disk goes with it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from schwarz.errors import StepFailed
from schwarz.runs import checkpoints_of


@dataclass(frozen=True)
class Place:
    """Which step and part of it is done, and where its result goes."""

    step: str
    part: str
    out: Path

    @property
    def label(self) -> str:
        return f"{self.step}-{self.part}" if self.part else self.step

    @property
    def kept(self) -> Path:
        """Where the result stays: in the run folder, or in a pod where it was made."""
        return place_of(run, self.step, self.part) if (run := run_folder()) else self.out

    @property
    def logs(self) -> Path:
        return home() / "logs"

    @property
    def journal(self) -> Path:
        return self.logs / "journal" / f"{self.label}.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Where its trainings leave what they go on from, unless $SCHWARZ_CHECKPOINTS says where."""
        return checkpoints_of(home(), self.label)


def run_folder() -> Path | None:
    """The folder of the local run this process works for; None in a pod."""
    return Path(os.environ["SCHWARZ_RUN"]) if "SCHWARZ_RUN" in os.environ else None


def home() -> Path:
    """The run folder, or what takes its place in a pod."""
    return run_folder() or scratch()


def place_of(run: Path, step: str, part: str = "") -> Path:
    """Where a run keeps the result of a step."""
    return run / "steps" / step / part


def scratch() -> Path:
    """A folder for what need not outlive this machine: $SCHWARZ_SCRATCH, by default below the temporary one."""
    return Path(os.environ.get("SCHWARZ_SCRATCH") or Path(tempfile.gettempdir()) / "schwarz")


def store() -> str:
    """Where boxes of images lie, a folder or s3://...: $SCHWARZ_STORE, by default a folder in the run."""
    if given := os.environ.get("SCHWARZ_STORE"):
        return given
    run = run_folder()
    if run is None:
        raise StepFailed(
            "SCHWARZ_STORE is not set: name the place that all pods see, a folder or s3://BUCKET/PREFIX, where the "
            "boxes are to lie."
        )
    return str(run / "store")
