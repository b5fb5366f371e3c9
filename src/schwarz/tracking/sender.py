"""From the journal to MLflow, each line once.

The ledger says how far a server is. It is written after the server took the lines, so that a killed sender repeats
some; that changes nothing there: a metric is identified by name, value, step and the journal's time, a run by its tags.
A step that is done again in a resumed run journals its epochs again: those it had told before are left out.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from schwarz.files import sha256
from schwarz.journal import Event, Tail
from schwarz.runs import RunFolder
from schwarz.tracking.ledger import Ledger
from schwarz.tracking.runs import NOTE, Runs
from schwarz.tracking.server import answering, connect
from schwarz.tracking.summary import note

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric

T = TypeVar("T")
METRICS, PARAMS = 1000, 100  # MLflow's limits on one call
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

    def __init__(self, run: RunFolder, uri: str, timeout_s: int) -> None:
        with answering(uri):
            client = connect(uri, timeout_s)
            self.run, self.uri, self.client = run, uri, client
            self.ledger = Ledger(run.path, uri)
            self.runs = Runs(client, uri, run)
        self.told: set[tuple[str, str, int]] = set()  # (run, metric, epoch)
        self.outcome, self.last_ms = "KILLED", 0
        for event in _before(run.journal, self.ledger.kept.offsets):
            self._follow(event)
            self._untold(event)
        self.tail = Tail(run.journal, self.ledger.kept.offsets)
        self.ledger.kept.parent = self.runs.parent
        self.ledger.save()

    def send(self) -> Sent:
        """Send every whole line that the journal has gained."""
        events = self.tail.poll()
        sent, metrics, ended = Sent(), defaultdict(list), {}
        named = set()  # a run that was resumed is journalled again
        with answering(self.uri):
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
            for name, values in metrics.items():
                self._log(name, values)
                sent.metrics += len(values)
            sent.runs = len(named | {name for name, values in metrics.items() if values})
            for name, event in ended.items():
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
        with answering(self.uri):
            for name, run in self.runs.known.items():
                if name and run.info.status == "RUNNING":
                    self.runs.end(name, self.outcome, self.last_ms)
            self._results()
            if self.runs.ours:
                self.runs.end("", self.outcome, self.last_ms)
        self.ledger.kept.closed = state
        self.ledger.save()
        return True

    def _follow(self, event: Event) -> None:
        """Keep in mind how the pipeline stands, for `close`."""
        if event["step"] == STEP:
            return
        self.last_ms = max(self.last_ms, _ms(event))
        if event["event"] == "failed":
            self.outcome = "KILLED" if event["interrupted"] else "FAILED"
        elif event["event"] == "done" and event["step"] == LAST_STEP:
            self.outcome = "FINISHED"
        elif event["event"] == "start" and event["step"] == "begin":  # resumed
            self.outcome = "KILLED"

    def _open(self, event: Event) -> None:
        from mlflow.entities import Param, RunTag

        name, tags = event["run"], dict(event["tags"])
        identity = self.runs.open(name, _ms(event))
        params = dict(event["params"])
        if not name:
            params["boxes"] = self.run.config.partition.count
            tags["mlflow.source.git.commit"] = tags["git.commit"]
            self.client.log_inputs(identity, [_dataset(self.run.config.data.name, tags)])
        known = self.runs.known[name].data.params  # MLflow refuses another value; `place` may differ after a resume
        fresh = [Param(key, str(value)) for key, value in params.items() if key not in known]
        for some in _portions(fresh, PARAMS):
            self.client.log_batch(identity, params=some)
        self.client.log_batch(identity, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    def _untold(self, event: Event) -> "list[Metric]":
        """The metrics of an event that no event before it had."""
        if event["event"] != "metric":
            return []
        from mlflow.entities import Metric

        epoch, fresh = event["epoch"], []
        for key, value in event["metrics"].items():
            if (event["run"], key, epoch) not in self.told:
                self.told.add((event["run"], key, epoch))
                fresh.append(Metric(key, value, _ms(event), epoch))
        return fresh

    def _log(self, name: str, metrics: "list[Metric]") -> None:
        identity = self.runs.open(name, metrics[0].timestamp) if metrics else ""
        for some in _portions(metrics, METRICS):
            self.client.log_batch(identity, metrics=some)

    def _results(self) -> None:
        """The accuracies on the parent, where MLflow's tables compare runs; the files; the description."""
        from mlflow.entities import Metric

        results, parent = self.run.results(), self.client.get_run(self.runs.parent)
        rows = results["strategies"] if results else {}
        figures = {f"{figure}/{name}": row[figure] for name, row in rows.items() for figure in FIGURES}
        fresh = {key: value for key, value in figures.items() if parent.data.metrics.get(key) != value}
        metrics = [Metric(key, value, self.last_ms, 0) for key, value in fresh.items()]
        self.client.log_batch(self.runs.parent, metrics)
        for file in self._artifacts():
            self.client.log_artifact(self.runs.parent, str(file))
        self.client.set_tag(self.runs.parent, NOTE, note(self.run))

    def _artifacts(self) -> list[Path]:
        return [self.run.path / name for name in ARTIFACTS if (self.run.path / name).exists()]


def _dataset(name: str, tags: dict[str, Any]) -> "DatasetInput":
    """The data set as an input of the run. Its source is a file of the code repository: the .dvc file of that md5."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"tags": {key: tags[key] for key in ("data.md5", "git.commit")}})
    digest = tags["data.md5"]  # 32 digits and `.dir`: exactly the 36 characters that MLflow allows
    return DatasetInput(Dataset(name, digest, "code", source), [InputTag("mlflow.data.context", "training")])


def _before(journal: Path, offsets: dict[str, int]) -> Iterable[Event]:
    """The events that were sent before, oldest first."""
    lines = [line for name, end in offsets.items() for line in (journal / name).read_bytes()[:end].splitlines()]
    return sorted((json.loads(line) for line in lines), key=lambda event: event["t"])


def _portions(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _ms(event: Event) -> int:
    return round(event["t"] * 1000)
