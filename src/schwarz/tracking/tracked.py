"""What is tracked: a pipeline run as MLflow is told of it, apart from how the run came to be."""

import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schwarz.files import read_json, write_json
from schwarz.journal import read

if TYPE_CHECKING:
    from schwarz.config import Config
    from schwarz.runs import RunFolder

IDENTITY = "run.json"


@dataclass(frozen=True)
class About:
    """What is trained on what."""

    text: str
    data: str
    boxes: int


@dataclass(frozen=True)
class Tracked:
    """A pipeline run. `path` is its run folder, or a folder of the same layout: logs/journal/, logs/pending/ and, once
    there are some, results.json and report.html."""

    path: Path
    uid: str
    preset: str
    name: str
    began_ms: int
    about: About | None
    """None where it is not known: in a pod, until the journal of `begin` says it."""
    place: str
    """What `schwarz track sync` is told to send the rest of it."""
    in_pods: bool = False
    """Whether its steps are pods, none of which sees what another wrote; `uid` is Kubeflow's run id then."""
    attempt: str = ""
    """Of a pod: another one for each, so that a pod that is tried again leaves the journal of the one before."""

    @property
    def journal(self) -> Path:
        return self.path / "logs" / "journal"

    def journal_of(self, label: str) -> Path:
        """The journal of a step, or of a part of one."""
        return self.journal / f"{label}{self.attempt and '.'}{self.attempt}.jsonl"

    def name_of(self, file: Path) -> str:
        """A file's name within the folder."""
        return file.relative_to(self.path).as_posix()

    @property
    def tags(self) -> dict[str, str]:
        """Of the parent, so that it is found from Kubeflow and the other way: those of KFP's own MLflow plugin."""
        if not self.in_pods:
            return {}
        return {"kfp.pipeline_run_id": self.uid, "kfp.pipeline_run_url": f"/#/runs/details/{self.uid}"}

    @property
    def pending(self) -> Path:
        """Where a model waits that could not be registered."""
        return self.path / "logs" / "pending"

    def results(self) -> dict[str, Any] | None:
        """The results of a finished run, else None."""
        file = self.path / "results.json"
        return read_json(file) if file.exists() else None


def of_run(run: "RunFolder") -> Tracked:
    """The run of a run folder."""
    began_ms = int((run.path / "run.json").stat().st_mtime * 1000)
    return Tracked(run.path, run.uid, run.config.preset, run.name, began_ms, about(run.config), str(run.path))


def in_pod(folder: Path, uid: str, preset: str, store: str) -> Tracked:
    """The run that this pod does a step of. `folder` is the pod's own, new; `store` is where all pods leave things."""
    name, place = f"{preset}-{uid[:8]}", f"{store.rstrip('/')}/{spool_of(uid)}"
    write_json(folder / IDENTITY, {"uid": uid, "preset": preset, "name": name})
    return replace(of_pods(folder, place), attempt=uuid.uuid4().hex[:8])


def of_pods(folder: Path, place: str) -> Tracked:
    """The run that pods left in a folder, which came from their spool at `place`."""
    begun = min((event["t"] for event in read(folder / "logs" / "journal")), default=time.time())
    identity = read_json(folder / IDENTITY)
    return Tracked(folder, **identity, began_ms=round(1000 * begun), about=None, place=place, in_pods=True)


def spool_of(uid: str) -> str:
    """Where in the store the pods of a run leave what is to be sent."""
    return f"spool/{uid}"


def about(config: "Config") -> About:
    """What a configuration trains on what."""
    text = (
        f"Preset `{config.preset}`, seed {config.seed}: {config.network.family} on the data set `{config.data.name}`, "
        f"images cut {config.partition.words}."
    )
    return About(text, config.data.name, config.partition.count)
