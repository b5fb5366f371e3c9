"""Enter the exported model in the registry. An MLflow server that does not answer loses nothing: the entry is made
later by `schwarz track sync`."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schwarz import tracking
from schwarz.config import Register
from schwarz.evaluation.gate import Examined
from schwarz.files import read_json, write_json
from schwarz.images import Labelled, load
from schwarz.journal import Journal
from schwarz.report.card import card
from schwarz.reproduction import record_of
from schwarz.steps.frame import Metrics, step
from schwarz.steps.telling import Telling
from schwarz.steps.unpacking import test_images

PARTS = ("test", "validation", "train")
NOBODY = "neither SCHWARZ_RUN nor SCHWARZ_RUN_ID says which run made the model: it is not registered"
REFUSED = "the graph in 8 bits was not kept, its accuracy is too low: the one in float32 is registered"


@dataclass(frozen=True)
class Graph:
    """The file that is registered."""

    path: Path
    bits: int
    accuracy: Mapping[str, float]
    """On the images of each part that it was measured on."""
    right: np.ndarray
    """Which test images it names rightly: what the gate compares."""


def _graph(int8: bool, images: Path, evaluation: Path, exported: Path, journal: Journal, out: Path) -> Graph:
    """The one in 8 bits where that is wanted and was kept, else the one in float32."""
    kept = read_json(exported / "model.json")["int8"]["file"] if int8 else None
    if kept:
        return _in_8_bits(exported, test_images(images, out))
    if int8:
        journal.write("note", text=REFUSED)
    return _whole(exported, evaluation)


def _whole(exported: Path, evaluation: Path) -> Graph:
    model, y = read_json(exported / "model.json"), np.load(evaluation / "classes.npy")
    named = np.load(evaluation / "probabilities" / f"{model['strategy']}.npy").argmax(1)
    figures = read_json(evaluation / "evaluation.json")["strategies"][model["strategy"]]
    return Graph(exported / model["file"], 32, {part: figures[part] for part in PARTS}, named == y)


def _in_8_bits(exported: Path, test: Labelled) -> Graph:
    from schwarz.int8 import right

    about = read_json(exported / "model.json")["int8"]
    path = exported / about["file"]
    found = right(path, test)
    return Graph(path, 8, {"test": float(found.mean()), "validation": about["accuracy"]}, found)


def _entry(
    name: str, preset: str, graph: Graph, begun: Path, images: Path, evaluation: Path, exported: Path
) -> tracking.Entry:
    """What the registry is told, from what the steps before left."""
    strategy, about = read_json(exported / "model.json")["strategy"], read_json(images / "data.json")
    origin, found = read_json(begun / "lineage.json"), read_json(evaluation / "evaluation.json")
    y, chosen_on_test = np.load(evaluation / "classes.npy"), about["validation_is_test"]
    examined = Examined.of(about["md5"], y, graph.right, chosen_on_test=chosen_on_test)
    boxes, own = len(found["locals"]) or 1, graph.accuracy["test"] if graph.bits == 8 else None
    return tracking.Entry(
        path=graph.path,
        name=name,
        tags={
            "data.md5": about["md5"], "git.commit": origin["commit"],
            "code.digest": origin["code"], "config.digest": origin["config_digest"],
            "strategy": strategy, "preset": preset, "bits": str(graph.bits),
            "test_accuracy": f"{graph.accuracy['test']:.4f}",
        },
        metrics={f"{part}_accuracy": value for part, value in graph.accuracy.items()},
        classes=about["classes"],
        card=card(strategy, about, found, origin, boxes, own),
        record=record_of(begun, exported) | {tracking.GATE: json.dumps(examined.to_json())},
    )  # fmt: skip


@step("register", fresh=True)
def register(
    preset: str,
    register_: Register,
    *,
    begun: Path,
    images: Path,
    evaluation: Path,
    exported: Path,
    journal: Journal,
    told: Telling | None,
    out: Path,
) -> Metrics:
    """Writes registered.json: name, version, alias and URI, or why the entry is still to be made."""
    graph = _graph(register_.int8, images, evaluation, exported, journal, out)
    entry = _entry(register_.name or preset, preset, graph, begun, images, evaluation, exported)
    uri, registered = os.environ.get("MLFLOW_TRACKING_URI"), None
    if told and not told.spool:
        uri = tracking.default_uri(Path.cwd())
    try:
        if told is None:
            journal.write("note", text=NOBODY)
        else:
            some = load(images, "validation").x[:2]
            registered = tracking.register_model(told.run, entry, some, uri, told.spool)
    except tracking.Unreachable as fault:
        journal.write("note", text=str(fault))
    parent = registered["run_id"] if registered else told and tracking.parent_id(told.run.path)
    entered = {"registered": registered, "tracking_uri": uri and tracking.shown(uri), "mlflow_run_id": parent}
    write_json(out / "registered.json", entered)
    return {}
