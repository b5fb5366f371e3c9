"""A run as its steps journal it, without the training; and what a plain MLflow client finds of it."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run

from schwarz.files import write_atomic, write_json
from schwarz.journal import Journal, read
from schwarz.presets import preset
from schwarz.runs import RunFolder, create
from schwarz.tracking import Tracked

MD5 = "0123456789abcdef0123456789abcdef.dir"
COMMIT = "f" * 40
NETWORKS = {f"train_local-{k}": f"local {k}" for k in range(4)} | {"train_coarse": "coarse", "train_global": "global"}

# (run, metric, epoch) -> its values
Curves = dict[tuple[str, str, int], list[float]]


def begin(folder: Path) -> RunFolder:
    """A new run whose first step is done; opened when it is there, as a resumed run does."""
    run = create(preset("tiny"), folder)
    open_parent(Journal(run.journal / "begin.jsonl", "begin"), run.uid)
    return run


def open_parent(journal: Journal, uid: str, **more: Any) -> None:
    """What the step `begin` tells."""
    config = preset("tiny")
    tags = {"schwarz.run": uid, "data.md5": MD5, "git.commit": COMMIT, "config.digest": config.science()}
    params = {"seed": 0, "local.lr": 0.002, "partition.grid": "2x2"}
    journal.write("start", title="begin")
    journal.write("run", run="", params=params, tags=tags, **more)
    journal.write("done", wall_s=0.1, cpu_s=0.1, metrics={})


class Training:
    """One network's step, epoch by epoch."""

    def __init__(self, run: RunFolder | Tracked, file: str) -> None:
        step, _, part = file.partition("-")
        self.name, self.epoch = NETWORKS[file], 0
        path = run.journal_of(file) if isinstance(run, Tracked) else run.journal / f"{file}.jsonl"
        self.journal = Journal(path, step, part)
        self.journal.write("start", title=self.name)
        self.journal.write("run", run=self.name, params={"lr": 0.002, "batch": 32}, tags={})

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.epoch += 1
            figures = {
                "train_loss": 1 / self.epoch,
                "validation_accuracy": 1 - 0.5 / self.epoch,
                "cpu_s": 2.0 * self.epoch,
            }
            self.journal.write("progress", done=self.epoch, total=10)
            self.journal.write("metric", run=self.name, epoch=self.epoch, metrics=figures)

    def end(self) -> None:
        self.journal.write("end", run=self.name)
        self.journal.write("done", wall_s=1.0, cpu_s=1.0, metrics={})


def train_all(run: RunFolder, epochs: int = 3) -> None:
    """Every network from its first epoch to its end."""
    for file in NETWORKS:
        training = Training(run, file)
        training.train(epochs)
        training.end()


def report(run: RunFolder) -> None:
    """The last step, and the files it leaves."""
    write_results(run.path)
    Journal(run.journal / "report.jsonl", "report").write("done", wall_s=0.1, cpu_s=0.1, metrics={})


def write_results(folder: Path) -> None:
    """results.json and report.html."""
    row = {"test": 0.8, "low": 0.78, "high": 0.82, "validation": 0.81, "train": 0.9, "cpu_s": 12.3, "parameters": 1000}
    model = {"file": "model/global.onnx", "strategy": "global", "registered": None}
    strategies = {"coarse": row, "global": {**row, "test": 0.9}}
    results = {"chance": 0.1, "strategies": strategies, "best": "global", "model": model}
    origin = {"data": {"validation_is_test": False}, "lineage": {"tracking_uri": None, "mlflow_run_id": None}}
    write_json(folder / "results.json", {**results, **origin})
    write_atomic(folder / "report.html", "<!doctype html><title>report</title>")


def told(run: RunFolder | Tracked) -> Curves:
    """What the journal holds, each metric of each epoch once."""
    return {
        (event["run"], key, event["epoch"]): [value]
        for event in read(run.journal)
        if event["event"] == "metric"
        for key, value in event["metrics"].items()
    }


def found(uri: str, run: RunFolder | Tracked) -> tuple[Run, dict[str, Run]]:
    """The parent and its nested runs by name."""
    return found_by(uri, run.uid)


def found_by(uri: str, uid: str) -> tuple[Run, dict[str, Run]]:
    """Of a pipeline run's id, asked of MLflow by nothing of ours."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("schwarz/tiny")
    assert experiment is not None
    everything = client.search_runs([experiment.experiment_id], f"tags.`schwarz.run` = '{uid}'")
    [parent] = [each for each in everything if "mlflow.parentRunId" not in each.data.tags]
    nested = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    names = [str(each.info.run_name) for each in nested]
    assert len(set(names)) == len(names)
    return parent, dict(zip(names, nested, strict=True))


def curves(uri: str, run: RunFolder | Tracked) -> Curves:
    """Every metric of the nested runs, with all the values MLflow has for a step."""
    client = mlflow.MlflowClient(uri)
    histories: Curves = {}
    for name, each in found(uri, run)[1].items():
        for key in each.data.metrics:
            for metric in client.get_metric_history(each.info.run_id, key):
                histories.setdefault((name, key, metric.step), []).append(metric.value)
    return histories


def sender(run: RunFolder, cwd: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The process that the command line starts beside the pipeline."""
    return subprocess.Popen(
        [sys.executable, "-m", "schwarz.tracking", str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
