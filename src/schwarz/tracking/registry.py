"""The model registry: an exported model becomes a logged model of the parent run and a registered version.

Written with the client's single calls rather than `mlflow.onnx.log_model`: that one works on the process's active run,
which it would end, prints to stderr and runs the model once more.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from schwarz.files import read_json, replacing, sha256, write_json
from schwarz.tracking.records import keep
from schwarz.tracking.runs import UID, Runs, open_runs
from schwarz.tracking.server import UPLOAD_S, Unreachable, answering, connect, reachable, shown
from schwarz.tracking.spool import Spool
from schwarz.tracking.tracked import Tracked

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

Registered = dict[str, str]
SHA256 = "sha256"
VERSIONS = "mlflow.modelVersions"  # the tag by which MLflow's UI goes from a logged model to its versions


@dataclass(frozen=True)
class Entry:
    """A model to register: the ONNX file, and what its version says of it."""

    path: Path
    name: str
    tags: Mapping[str, str]  # of the version: data.md5, git.commit, config.digest, strategy, test_accuracy, ...
    metrics: Mapping[str, float]
    classes: list[str]
    record: Mapping[str, str] = field(default_factory=dict)
    """What making it again needs, by file name: an artifact of the run, its sha256 a tag of run and version."""
    card: str = ""
    """Markdown that describes it."""


def register_model(
    run: Tracked, entry: Entry, example: "np.ndarray", uri: str | None, spool: Spool | None = None
) -> Registered:
    """Register the model under the run's parent: {"name", "version", "alias", "uri", "run_id",
    "file"}.

    The first version of a name becomes `champion`, later ones `challenger`. The same model of the same run is
    registered once. `example`: a few images, uint8 [n, C, H, W]. When MLflow fails, or there is none, the entry is
    kept in the run's folder, from a pod in its spool, for `sync`, and Unreachable is raised.
    """
    try:
        return _register(run, entry, example, uri)
    except Unreachable as fault:
        _postpone(run, entry, example)
        if spool:
            spool.keep(run, *run.pending.iterdir())
        raise Unreachable(f"{fault}. The model is not registered: `schwarz track sync {run.place}` does it.") from fault


def register_postponed(run: Tracked, uri: str) -> Registered | None:
    """Register what an earlier attempt left, and write it into results.json; None if nothing was left."""
    folder = run.pending
    if not (folder / "entry.json").exists():
        return None
    import numpy as np

    kept = read_json(folder / "entry.json")
    entry = Entry(**{**kept["entry"], "path": folder / kept["entry"]["path"]})
    registered = _register(run, entry, np.array(kept["example"], np.uint8), uri)
    if results := run.results():
        results["model"]["registered"] = registered
        results["lineage"] |= {"tracking_uri": shown(uri), "mlflow_run_id": registered["run_id"]}
        write_json(run.path / "results.json", results)
    shutil.rmtree(folder)
    return registered


def _postpone(run: Tracked, entry: Entry, example: "np.ndarray") -> None:
    folder = run.pending
    with replacing(folder / entry.path.name) as copy:  # the original may lie in a pipeline's scratch folder
        shutil.copyfile(entry.path, copy)
    kept = {**asdict(entry), "path": entry.path.name}
    write_json(folder / "entry.json", {"entry": kept, "example": example.tolist()})


def _register(run: Tracked, entry: Entry, example: "np.ndarray", uri: str | None) -> Registered:
    if uri is None:
        raise Unreachable("MLFLOW_TRACKING_URI is not set")
    if reason := reachable(uri):
        raise Unreachable(f"MLflow at {shown(uri)} does not answer ({reason})")
    with answering(uri):
        client = connect(uri, UPLOAD_S)
        parent = open_runs(run, uri, UPLOAD_S)
        tags = {UID: run.uid, SHA256: sha256(entry.path), **entry.tags, **keep(client, parent.parent, entry.record)}
        number = _existing(client, entry.name, tags) or _new(client, parent, entry, example, tags)
        alias = _alias(client, entry.name, number)
    return {
        "name": entry.name,
        "version": number,
        "alias": alias,
        "uri": f"models:/{entry.name}/{number}",
        "run_id": parent.parent,
        "file": entry.path.name,
    }


def _existing(client: "MlflowClient", name: str, tags: Mapping[str, str]) -> str | None:
    """The version that a run resumed, or a try cut short, made before."""
    same = client.search_model_versions(f"name = '{name}' and tags.`{UID}` = '{tags[UID]}'")
    return next((str(each.version) for each in same if each.tags.get(SHA256) == tags[SHA256]), None)


def _new(client: "MlflowClient", runs: Runs, entry: Entry, example: "np.ndarray", tags: Mapping[str, str]) -> str:
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(
        client.tracking_uri
    )  # where an embedded registry looks `models:/m-...` up, not the client's
    logged = _log(client, runs, entry, example, tags)
    try:
        client.create_registered_model(entry.name)
    except MlflowException as fault:
        if fault.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        entry.name, logged.model_uri, runs.parent, dict(tags), description=entry.card or None, await_creation_for=0,
        model_id=logged.model_id,
    )  # fmt: skip
    link = json.dumps([{"name": entry.name, "version": made.version}])
    client.set_logged_model_tags(logged.model_id, {VERSIONS: link})
    return str(made.version)


def _log(
    client: "MlflowClient", runs: Runs, entry: Entry, example: "np.ndarray", tags: Mapping[str, str]
) -> "LoggedModel":
    """Upload the model with signature and example as a logged model of the parent run, with its metrics."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

    params = client.get_run(runs.parent).data.params
    logged = client.create_logged_model(
        runs.experiment, entry.path.stem, runs.parent, dict(tags), params, model_type="classifier"
    )
    with tempfile.TemporaryDirectory() as scratch:
        _save(Path(scratch) / "model", logged, entry, example)
        client.log_model_artifacts(logged.model_id, str(Path(scratch) / "model"))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(runs.parent, [LoggedModelOutput(logged.model_id, 0)])
    now = round(time.time() * 1000)
    client.log_batch(
        runs.parent, [Metric(key, value, now, 0, model_id=logged.model_id) for key, value in entry.metrics.items()]
    )
    return logged


def _save(folder: Path, logged: "LoggedModel", entry: Entry, example: "np.ndarray") -> None:
    """MLflow's folder of the model: model.onnx, MLmodel, the example, what to install to run it."""
    import onnx
    from mlflow.models import Model
    from mlflow.onnx import save_model

    model = onnx.load(entry.path)
    save_model(
        model,
        folder,
        signature=_signature(model),
        input_example={model.graph.input[0].name: example},
        pip_requirements=[f"{name}=={version(name)}" for name in ("mlflow-skinny", "numpy", "onnx", "onnxruntime")],
        onnx_execution_providers=["CPUExecutionProvider"],  # naming one that is absent warns whoever loads it
        metadata={"classes": entry.classes},
        save_as_external_data=False,
        mlflow_model=Model(
            artifact_path=logged.artifact_location,
            run_id=logged.source_run_id,
            model_id=logged.model_id,
            model_uuid=logged.model_id,
        ),
    )


def _signature(model: "onnx.ModelProto") -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec
    from onnx.helper import tensor_dtype_to_np_dtype

    def spec(value: "onnx.ValueInfoProto") -> ColSpec | TensorSpec:
        tensor = value.type.tensor_type
        shape = tuple(-1 if d.dim_param else d.dim_value for d in tensor.shape.dim)
        return TensorSpec(tensor_dtype_to_np_dtype(tensor.elem_type), shape, value.name)

    inputs, outputs = ([spec(value) for value in side] for side in (model.graph.input, model.graph.output))
    return ModelSignature(Schema(inputs), Schema(outputs))


def _alias(client: "MlflowClient", name: str, number: str) -> str:
    """The alias of a version: the one it has, `champion` for the first, else `challenger`: who was the champion before
    may have been deleted here, and be served all the same."""
    aliases = {alias: str(each) for alias, each in client.get_registered_model(name).aliases.items()}
    for alias in ("champion", "challenger"):
        if aliases.get(alias) == number:
            return alias
    others = [each for each in client.search_model_versions(f"name = '{name}'") if str(each.version) != number]
    alias = "challenger" if others or "champion" in aliases else "champion"
    client.set_registered_model_alias(name, alias, number)
    return alias
