"""Enter the exported model in the registry. An MLflow server that does not answer loses nothing: the entry is made
later by `schwarz track sync`."""

import json
import os
from pathlib import Path

import numpy as np

from schwarz import tracking
from schwarz.config import Register
from schwarz.evaluation.gate import Examined
from schwarz.files import read_json, write_json
from schwarz.images import load
from schwarz.journal import Journal
from schwarz.report.card import card
from schwarz.reproduction import record_of
from schwarz.steps.frame import Metrics, step
from schwarz.steps.telling import Telling

NOBODY = "neither SCHWARZ_RUN nor SCHWARZ_RUN_ID says which run made the model: it is not registered"


def _tested(images: Path, evaluation: Path, strategy: str) -> str:
    """What the model got right on the test images: what the gate compares."""
    y = np.load(evaluation / "classes.npy")
    right = np.load(evaluation / "probabilities" / f"{strategy}.npy").argmax(1) == y
    return json.dumps(Examined.of(read_json(images / "data.json")["md5"], y, right).to_json())


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
    model = read_json(exported / "model.json")
    origin, found = read_json(begun / "lineage.json"), read_json(evaluation / "evaluation.json")
    figures = found["strategies"][model["strategy"]]
    entry = tracking.Entry(
        path=exported / model["file"],
        name=register_.name or preset,
        tags={
            "data.md5": read_json(images / "data.json")["md5"], "git.commit": origin["commit"],
            "code.digest": origin["code"], "config.digest": origin["config_digest"],
            "strategy": model["strategy"], "preset": preset,
            "test_accuracy": f"{figures['test']:.4f}", "sha256": model["sha256"],
        },
        metrics={f"{part}_accuracy": figures[part] for part in ("test", "validation", "train")},
        classes=read_json(images / "data.json")["classes"],
        card=card(model["strategy"], read_json(images / "data.json"), found, origin, len(found["locals"]) or 1),
        record=record_of(begun, exported) | {tracking.GATE: _tested(images, evaluation, model["strategy"])},
    )  # fmt: skip
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
