"""From the journal to MLflow, each line once.

The ledger says how far a server is. It is written after the server took the lines, so that a killed sender repeats
some; that changes nothing there: a metric is identified by name, value, step and the journal's time, a run by its tags.
A step that is done again in a resumed run journals its epochs again: those it had told before are left out.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from schwarz.files import sha256
from schwarz.journal import Event, Tail
from schwarz.tracking.client import Dataset, Point
from schwarz.tracking.ledger import Ledger
from schwarz.tracking.runs import NOTE, open_runs
from schwarz.tracking.summary import note
from schwarz.tracking.tracked import About, Tracked

FIGURES = ("test", "validation", "cpu_s")  # of each strategy, as metrics of the parent
ARTIFACTS = ("results.json", "report.html")
LAST_STEP = "report"
STEP = "tracking"  # our own notes in the journal


@dataclass
class Sent:
    """What one round sent."""

    runs: int = 0
    metrics: int = 0


class Sender:
    """Sends the journal of one run to one server. After an Unreachable it is thrown away and made anew."""

    def __init__(self, run: Tracked, uri: str, timeout_s: int, *, alone: bool = True) -> None:
        self.run, self.runs = run, open_runs(run, uri, timeout_s, alone=alone)
        self.client, self.ledger = self.runs.client, Ledger(run.path, uri)
        kept = self.ledger.kept
        kept.parent, kept.given = self.runs.parent, not self.runs.ours
        if alone and not run.attempt and self.runs.doubled:  # a pod has no journal but its own to begin anew with
            self._forget()
        self.told: set[tuple[str, str, int]] = set()  # (run, metric, epoch)
        self.recalled: set[tuple[str, str]] = set()
        self.outcome, self.last_ms = "KILLED", run.began_ms
        for event in _before(run.journal, kept.offsets):
            self._follow(event)
            if event["event"] == "metric":
                self.told |= {(event["run"], key, event["epoch"]) for key in event["metrics"]}
        self.tail = Tail(run.journal, kept.offsets)
        self.ledger.save()

    def send(self) -> Sent:
        """Send every whole line that the journal has gained."""
        events = self.tail.poll()
        sent, metrics, ended = Sent(), defaultdict(list), {}
        named = set()  # a run that was resumed is journalled again
        for event in events:
            self._follow(event)
            if event["event"] == "run":
                self._open(event)
                ended.pop(event["run"], None)
                named.add(event["run"])
            elif event["event"] == "metric":
                metrics[event["run"]] += self._untold(event)
            elif event["event"] == "end":
                ended[event["run"]] = event
        for name, points in metrics.items():
            if points:
                self.client.log(self.runs.open(name, points[0].t_ms), metrics=points)
                sent.metrics += len(points)
        sent.runs = len(named | {name for name, points in metrics.items() if points})
        for name, event in ended.items():
            if name in self.runs.known:  # or somebody has deleted it
                self.runs.end(name, "FINISHED", _ms(event))
        if sent.runs or metrics or ended:
            self.ledger.kept.offsets = dict(self.tail.offsets)
            self.ledger.save()
        return sent

    def close(self) -> bool:
        """End every run as the pipeline ended, and give the parent its results. False when that was done before."""
        state = f"{self.outcome} {self.last_ms} {[sha256(file) for file in self._artifacts()]}"
        if self.ledger.kept.closed == state:
            return False
        for name, run in self.runs.known.items():
            if name and run.status == "RUNNING":
                self.runs.end(name, self.outcome, self.last_ms)
        self._results()
        if self.runs.ours:
            self.runs.end("", self.outcome, self.last_ms)
        self.ledger.kept.closed = state
        self.ledger.save()
        return True

    def _forget(self) -> None:
        """Runs were made twice: begin anew, for what was sent may have gone to those that do not count."""
        self.ledger.kept.offsets, self.ledger.kept.closed = {}, None
        self.ledger.save()
        self.runs.mend()

    def _follow(self, event: Event) -> None:
        """Keep in mind how the pipeline stands, for `close`."""
        if event["step"] == STEP:
            return
        if event["event"] == "run" and "about" in event:
            self.run = replace(self.run, about=About(**event["about"]))
        self.last_ms = max(self.last_ms, _ms(event))
        if event["event"] == "failed":
            self.outcome = "KILLED" if event["interrupted"] else "FAILED"
        elif event["event"] == "done" and event["step"] == LAST_STEP:
            self.outcome = "FINISHED"
        elif event["event"] == "start" and event["step"] == "begin":  # resumed
            self.outcome = "KILLED"

    def _open(self, event: Event) -> None:
        name, tags = event["run"], dict(event["tags"])
        identity = self.runs.open(name, _ms(event))
        params = dict(event["params"])
        if not name and self.run.about:
            params["boxes"] = self.run.about.boxes
            tags |= {"mlflow.source.git.commit": tags["git.commit"], NOTE: note(self.run)}
            self.client.use(identity, _dataset(self.run.about.data, tags))
        known = self.runs.known[name].params  # MLflow refuses another value; `place` may differ after a resume
        fresh = {key: value for key, value in params.items() if key not in known}
        self.client.log(identity, params=fresh, tags=tags)

    def _untold(self, event: Event) -> list[Point]:
        """The metrics of an event that no event before it had."""
        run, epoch, fresh = event["run"], event["epoch"], []
        for key, value in event["metrics"].items():
            if self.run.in_pods:
                self._recall(run, key)
            if (run, key, epoch) not in self.told:
                self.told.add((run, key, epoch))
                fresh.append(Point(key, value, _ms(event), epoch))
        return fresh

    def _recall(self, run: str, key: str) -> None:
        """What MLflow has of a metric from other pods: of one that was killed, and is done again by this one."""
        known = self.runs.before.get(run)
        if known and key in known.metrics and (run, key) not in self.recalled:
            self.recalled.add((run, key))
            self.told |= {(run, key, epoch) for epoch in self.client.epochs(known.id, key)}

    def _results(self) -> None:
        """The accuracies on the parent, where MLflow's tables compare runs; the files; the description."""
        results, parent = self.run.results(), self.client.run(self.runs.parent)
        rows = results["strategies"] if results else {}
        figures = {f"{figure}/{name}": row[figure] for name, row in rows.items() for figure in FIGURES}
        fresh = {key: value for key, value in figures.items() if parent.metrics.get(key) != value}
        self.client.log(parent.id, metrics=[Point(key, value, self.last_ms, 0) for key, value in fresh.items()])
        for file in self._artifacts():
            self.client.upload(parent, file)
        self.client.log(parent.id, tags={NOTE: note(self.run)})

    def _artifacts(self) -> list[Path]:
        return [self.run.path / name for name in ARTIFACTS if (self.run.path / name).exists()]


def _dataset(name: str, tags: dict[str, Any]) -> Dataset:
    """The data set as an input of the run. Its source is a file of the code repository: the .dvc file of that md5."""
    source = json.dumps({"tags": {key: tags[key] for key in ("data.md5", "git.commit")}})
    return Dataset(name, tags["data.md5"], source)  # 32 digits and `.dir`: exactly the 36 characters that MLflow allows


def _before(journal: Path, offsets: dict[str, int]) -> Iterable[Event]:
    """The events that were sent before, oldest first."""
    lines = [line for name, end in offsets.items() for line in (journal / name).read_bytes()[:end].splitlines()]
    return sorted((json.loads(line) for line in lines), key=lambda event: event["t"])


def _ms(event: Event) -> int:
    return round(event["t"] * 1000)
