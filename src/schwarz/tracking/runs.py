"""The MLflow runs of one pipeline run: a parent, found by its tag or by KFP's environment, and nested runs by name."""

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from schwarz.locks import locked
from schwarz.runs import RunFolder
from schwarz.tracking.server import EMBEDDED, Unreachable, shown
from schwarz.tracking.summary import note

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

UID, PART = "schwarz.run", "schwarz.part"  # tags: the pipeline run; the nested run's name in the journal
NAME, PARENT, NOTE = "mlflow.runName", "mlflow.parentRunId", "mlflow.note.content"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's UI takes the experiment for GenAI


class Runs:
    """Every MLflow run of one pipeline run; "" is the parent, which exists from here on."""

    def __init__(self, client: "MlflowClient", uri: str, run: RunFolder) -> None:
        self.client, self.uri, self.run = client, uri, run
        with locked(run.journal / ".parent.lock"):  # the sender and the step `register` may both be the first
            self.experiment = self._experiment()
            self.known: dict[str, Run] = self._find()
            if "" not in self.known:
                self.known[""] = self._parent()

    @property
    def parent(self) -> str:
        """The parent's id."""
        return self.known[""].info.run_id

    @property
    def ours(self) -> bool:
        """Whether the parent is ours to end; one that KFP opened is ended by KFP."""
        return self.parent != os.environ.get("MLFLOW_RUN_ID")

    def open(self, name: str, t_ms: int) -> str:
        """The id of a run that takes metrics: a new one begun at `t_ms`, or the one there is, opened again if ended."""
        if name not in self.known:
            tags = {UID: self.run.uid, PART: name, PARENT: self.parent, **_origin()}
            self.known[name] = self.client.create_run(self.experiment, t_ms, tags, run_name=name)
        elif self.known[name].info.status != "RUNNING":
            self.client.update_run(self.known[name].info.run_id, status="RUNNING")
            self.known[name] = self.client.get_run(self.known[name].info.run_id)
        return self.known[name].info.run_id

    def end(self, name: str, status: str, t_ms: int) -> None:
        """End a run at `t_ms`."""
        identity = self.known[name].info.run_id
        self.client.set_terminated(identity, status, t_ms)
        self.known[name] = self.client.get_run(identity)

    def _experiment(self) -> str:
        if given := os.environ.get("MLFLOW_RUN_ID"):  # set by KFP's plugin, which opened the parent
            return self.client.get_run(given).info.experiment_id
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"schwarz/{self.run.config.preset}"
        found = self.client.get_experiment_by_name(name)
        if found is None:
            return self._new_experiment(name)
        if found.lifecycle_stage == "deleted":
            raise Unreachable(
                f"MLflow at {shown(self.uri)}: experiment {name!r} was deleted there. "
                f"`mlflow experiments restore -x {found.experiment_id}` brings it back"
            )
        return found.experiment_id

    def _new_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        # Artifacts of the embedded store lie beside it, wherever the person stands later.
        folder = Path(self.uri.removeprefix(EMBEDDED)).parent / "mlartifacts" if self.uri.startswith(EMBEDDED) else None
        try:
            return self.client.create_experiment(name, folder.as_uri() if folder else None, KIND)
        except MlflowException as fault:
            found = self.client.get_experiment_by_name(name)
            if fault.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                raise
            return found.experiment_id  # another run of the preset made it in between

    def _find(self) -> "dict[str, Run]":
        found = self.client.search_runs([self.experiment], f"tags.`{UID}` = '{self.run.uid}'", max_results=10_000)
        runs = {run.data.tags.get(PART, ""): run for run in found}
        if given := os.environ.get("MLFLOW_RUN_ID"):
            self.client.set_tag(given, UID, self.run.uid)
            runs[""] = self.client.get_run(given)
        return runs

    def _parent(self) -> "Run":
        begun = int((self.run.path / "run.json").stat().st_mtime * 1000)
        tags = {UID: self.run.uid, NOTE: note(self.run), **_origin()}
        return self.client.create_run(self.experiment, begun, tags, run_name=self.run.name)


def _origin() -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return {"mlflow.user": user, "mlflow.source.name": "schwarz", "mlflow.source.type": "LOCAL"}
