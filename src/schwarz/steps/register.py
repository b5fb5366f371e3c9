"""Enter the exported model in the registry. An MLflow server that does not answer loses nothing: the entry is made
later by `schwarz track sync`."""

from pathlib import Path

from schwarz import tracking
from schwarz.config import Register
from schwarz.errors import StepFailed
from schwarz.files import read_json, write_json
from schwarz.images import load
from schwarz.journal import Journal
from schwarz.reproduction import record_of
from schwarz.runs import open_run
from schwarz.steps.frame import Metrics, run_folder, step


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
    out: Path,
) -> Metrics:
    """Writes registered.json: name, version, alias and URI, or why the entry is still to be made."""
    model = read_json(exported / "model.json")
    origin, found = read_json(begun / "lineage.json"), read_json(evaluation / "evaluation.json")
    figures = found["strategies"][model["strategy"]]
    run = run_folder()
    if run is None:
        raise StepFailed("SCHWARZ_RUN is not set: registering needs the run folder that `schwarz run` makes.")
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
        record=record_of(open_run(run)),
    )  # fmt: skip
    uri = tracking.default_uri(Path.cwd())
    try:
        registered = tracking.register_model(run, entry, load(images, "validation").x[:2], uri)
    except tracking.Unreachable as fault:
        journal.write("note", text=str(fault))
        registered = None
    parent = registered["run_id"] if registered else tracking.parent_id(run)
    entered = {"registered": registered, "tracking_uri": tracking.shown(uri), "mlflow_run_id": parent}
    write_json(out / "registered.json", entered)
    return {}
