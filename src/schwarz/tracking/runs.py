"""The MLflow runs of one pipeline run: a parent, found by its tag or by KFP's environment, and nested runs by name.

Of two runs made for the same thing, because the answer that said so was lost, the one whose id comes first counts for
everybody; the others are `doubled`.
"""

import getpass
import os
from collections import defaultdict
from dataclasses import replace

from schwarz.locks import locked
from schwarz.tracking.client import Client, Found, open_client
from schwarz.tracking.ledger import Ledger
from schwarz.tracking.server import Unreachable, shown
from schwarz.tracking.summary import note
from schwarz.tracking.tracked import Tracked

UID, PART = "schwarz.run", "schwarz.part"  # tags: the pipeline run; the nested run's name in the journal
SOURCE, OURS = "mlflow.source.name", "schwarz"  # the tag of every run that we made
PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's UI takes the experiment for GenAI


class NoParent(Unreachable):
    """The parent is not there yet, and is not ours to open."""


class Runs:
    """Every MLflow run of one pipeline run; "" is the parent, which exists from here on.

    `alone`: no other pod sends anything of this pipeline run meanwhile. Only who is alone opens the parent, so that
    pods side by side never open two. `parent`: the id of one that KFP is known to have opened.
    """

    def __init__(self, client: Client, run: Tracked, *, parent: str | None = None, alone: bool = True) -> None:
        self.client, self.run = client, run
        with locked(run.journal / ".parent.lock"):  # on one machine the sender and the step `register` are two
            given = _given(client, parent)
            self.experiment = given.experiment if given else self._experiment(alone)
            self.known, self.doubled = self._find(given)
            self.before = dict(self.known)  # what the store had when we came
            if "" not in self.known:
                if not alone:
                    raise NoParent(f"MLflow at {shown(client.uri)} has no parent run of {run.uid} yet")
                self.known[""] = self._new_parent()

    @property
    def parent(self) -> str:
        """The parent's id."""
        return self.known[""].id

    @property
    def ours(self) -> bool:
        """Whether the parent is ours to end; one that KFP opened is ended by KFP."""
        return self.known[""].tags.get(SOURCE) == OURS

    def open(self, name: str, t_ms: int) -> str:
        """The id of a run that takes metrics: a new one begun at `t_ms`, or the one there is, opened again if ended."""
        if name not in self.known:
            tags = {UID: self.run.uid, PART: name, PARENT: self.parent, **_origin()}
            self.known[name] = self.client.new_run(self.experiment, name, t_ms, tags)
        elif self.known[name].status != "RUNNING":
            self._update(name, "RUNNING")
        return self.known[name].id

    def end(self, name: str, status: str, t_ms: int) -> None:
        """End a run at `t_ms`."""
        self._update(name, status, t_ms)

    def mend(self) -> None:
        """Delete the doubled runs; what was nested in a parent that does not count moves to the one that does."""
        for name, each in self.known.items():
            if name and each.tags.get(PARENT) != self.parent:
                self.client.log(each.id, tags={PARENT: self.parent})
        for identity in self.doubled:
            self.client.delete(identity)

    def _update(self, name: str, status: str, t_ms: int | None = None) -> None:
        self.client.update(self.known[name].id, status, t_ms)
        self.known[name] = replace(self.known[name], status=status)

    def _experiment(self, alone: bool) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"schwarz/{self.run.preset}"
        found = self.client.experiment(name)
        if found is None:
            if not alone:
                raise NoParent(f"MLflow at {shown(self.client.uri)} has no experiment {name!r} yet")
            return self.client.new_experiment(name, KIND)
        if found.deleted:
            raise Unreachable(
                f"MLflow at {shown(self.client.uri)}: experiment {name!r} was deleted there. "
                f"`mlflow experiments restore -x {found.id}` brings it back"
            )
        return found.id

    def _find(self, given: Found | None) -> tuple[dict[str, Found], list[str]]:
        """The runs by name, and the ids of those that do not count."""
        same: dict[str, list[Found]] = defaultdict(list)
        for each in self.client.find(self.experiment, UID, self.run.uid):
            same[each.tags.get(PART, "")].append(each)
        if given:
            if given.tags.get(UID) != self.run.uid:
                self.client.log(given.id, tags={UID: self.run.uid})
            same[""] = [given]
        first = {name: min(runs, key=lambda run: run.id) for name, runs in same.items()}
        counted = {run.id for run in first.values()}
        return first, [run.id for runs in same.values() for run in runs if run.id not in counted]

    def _new_parent(self) -> Found:
        tags = {UID: self.run.uid, NOTE: note(self.run), **self.run.tags, **_origin()}
        return self.client.new_run(self.experiment, self.run.name, self.run.began_ms, tags)


def open_runs(run: Tracked, uri: str, timeout_s: int, *, alone: bool = True) -> Runs:
    """The runs as a store has them; the ledger remembers a parent that KFP opened."""
    kept = Ledger(run.path, uri).kept
    return Runs(open_client(uri, timeout_s), run, parent=kept.parent if kept.given else None, alone=alone)


def _given(client: Client, parent: str | None) -> Found | None:
    """The parent that was opened for us, if one was: KFP's plugin names in MLFLOW_RUN_ID the run that it nests for the
    pod, in the one that it opened for the pipeline. Elsewhere `parent` remembers it."""
    identity = os.environ.get("MLFLOW_RUN_ID")
    if identity is None:
        return client.run(parent) if parent else None
    found = client.run(identity)
    while above := found.tags.get(PARENT):
        found = client.run(above)
    return found


def _origin() -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return {"mlflow.user": user, SOURCE: OURS, "mlflow.source.type": "LOCAL"}
