"""A run whose steps are pods, without the training: each has a folder of its own, and all have one store."""

import uuid
from dataclasses import asdict
from pathlib import Path

from schwarz.journal import Journal
from schwarz.presets import preset
from schwarz.storage import open_store
from schwarz.tracking import Spool, Tracked, about, in_pod, spool_in
from schwarz.tracking.replay import IDENTITY
from schwarz.tracking.tracked import of_pods
from tests.pipeline.journals import Training, open_parent, write_results


class Pods:
    """The pods of one run, and the store that they share: a folder or s3://."""

    def __init__(self, folder: Path, store: str, uid: str | None = None) -> None:
        self.folder, self.uri, self.uid = folder, store, uid or str(uuid.uuid4())
        self.all: list[Tracked] = []

    @property
    def spool(self) -> Spool:
        return spool_in(open_store(self.uri), self.uid)

    def start(self) -> Tracked:
        """One more pod, with an empty disk."""
        self.all.append(in_pod(self.folder / f"pod-{len(self.all)}", self.uid, "tiny", self.uri))
        return self.all[-1]

    def begin(self) -> Tracked:
        """The pod of the first step, whose work is done."""
        pod = self.start()
        self.tell_begin(pod)
        return pod

    def tell_begin(self, pod: Tracked) -> None:
        """The work of the first step."""
        open_parent(Journal(pod.journal_of("begin"), "begin"), self.uid, about=asdict(about(preset("tiny"))))

    def train(self, file: str, epochs: int = 3) -> Tracked:
        """The pod of one network, whose work is done."""
        pod = self.start()
        training = Training(pod, file)
        training.train(epochs)
        training.end()
        return pod

    def report(self) -> Tracked:
        """The pod of the last step but `finish`."""
        pod = self.start()
        write_results(pod.path)
        self.spool.keep(pod, pod.path / "results.json", pod.path / "report.html")
        Journal(pod.journal_of("report"), "report").write("done", wall_s=0.1, cpu_s=0.1, metrics={})
        self.leave(pod)
        return pod

    def leave(self, *pods: Tracked) -> None:
        """Copy the journals of pods to the spool."""
        for pod in pods:
            self.spool.keep(pod, pod.path / IDENTITY, *pod.journal.glob("*.jsonl"))

    def spooled(self) -> list[str]:
        """The names in the spool."""
        return [each.key for each in self.spool.store.list(self.spool.prefix)]

    def left(self) -> Tracked:
        """All that is in the spool now."""
        folder = self.folder / f"left-{uuid.uuid4().hex[:8]}"
        self.spool.fetch(folder)
        return of_pods(folder, f"{self.uri}/spool/{self.uid}")
