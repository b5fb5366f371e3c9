"""What making a run again needs, kept by MLflow: files of the parent run, their sha256 as tags of run and version.

They are there before the version is, so that whoever finds a version finds them; and each is named by its sha256, so
that a run that registers once more, after it was resumed, takes nothing from the version it registered before.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schwarz.errors import SchwarzError, WrongInput, nearest
from schwarz.tracking.server import EMBEDDED, UPLOAD_S, Unreachable, answering, connect, reachable, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODEL = re.compile(r"models:/(?P<name>[^/@]+)(/(?P<version>\d+)|@(?P<alias>[^/@]+))")
RUN = re.compile(r"[0-9a-f]{32}")
FOLDER = "reproduce"  # of the run's artifacts
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the second of an alias that no version has


@dataclass(frozen=True)
class Recorded:
    """The files that are kept, by name, and the run that has them."""

    run_id: str
    files: Mapping[str, str]


def tag(name: str) -> str:
    """The tag that vouches for a file: `weights.sha256` for weights.json."""
    return f"{Path(name).stem}.sha256"


def artifact(name: str, value: str) -> str:
    """Where a file of that sha256 is kept: reproduce/weights-0123456789ab.json."""
    return f"{FOLDER}/{Path(name).stem}-{value[:12]}{Path(name).suffix}"


def keep(client: "MlflowClient", run_id: str, record: Mapping[str, str]) -> dict[str, str]:
    """Keep files with a run; the tags that vouch for them, which the run has from here on."""
    tags = {tag(name): _sha256(text) for name, text in record.items()}
    for name, text in record.items():
        client.log_text(run_id, text, artifact(name, tags[tag(name)]))
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    return tags


def recorded(name: str, uri: str, files: Iterable[str]) -> Recorded:
    """What is kept under the id of a run, `models:/NAME/VERSION` or `models:/NAME@ALIAS`; WrongInput if there is no
    such thing, or not all of it is there as it was written."""
    place = f"MLflow at {shown(uri)}"
    if not RUN.fullmatch(name) and not MODEL.fullmatch(name):
        raise WrongInput(f"{name}: name a registered model as models:/NAME/VERSION or models:/NAME@champion.")
    if uri.startswith(EMBEDDED) and not Path(uri.removeprefix(EMBEDDED)).exists():  # asking must not make one
        raise WrongInput(f"{name}: there is no {place}. MLFLOW_TRACKING_URI names the server or the store that has it.")
    remedy = f"Mend that, or name the run's folder in place of {name}."
    if reason := reachable(uri):
        raise SchwarzError(f"{place} does not answer ({reason}). {remedy}")
    try:
        with answering(uri):
            return _asked(connect(uri, UPLOAD_S), name, place, files)
    except Unreachable as fault:
        raise SchwarzError(f"{fault}. {remedy}") from fault


def _asked(client: "MlflowClient", name: str, place: str, files: Iterable[str]) -> Recorded:
    from mlflow.exceptions import MlflowException

    version = _version(client, name, place) if MODEL.fullmatch(name) else None
    run_id = name if version is None else str(version.run_id)
    try:
        run = client.get_run(run_id)
    except MlflowException as fault:
        if fault.error_code not in ABSENT:
            raise
        of = f": the run {run_id} that made it" if version else ": such a run"
        raise WrongInput(f"{name}{of} is not in {place}. MLFLOW_TRACKING_URI names another one.") from None
    tags = run.data.tags if version is None else version.tags
    with tempfile.TemporaryDirectory() as scratch:
        found = {file: _file(client, run_id, file, tags.get(tag(file)), Path(scratch)) for file in files}
    if lacks := [file for file, text in found.items() if text is None]:
        raise WrongInput(
            f"{name}: cannot be made again from {place}: {', '.join(lacks)} of the run {run_id} is not there, or not "
            "as it was written. A version that was registered before Schwarz kept these, and a run that registered "
            "nothing, has none. Name the run's folder."
        )
    return Recorded(run_id, {file: text for file, text in found.items() if text is not None})


def _file(client: "MlflowClient", run_id: str, name: str, value: str | None, scratch: Path) -> str | None:
    """The content of a file, if the tag that vouches for it is there, and it is, and they agree."""
    if value is None or artifact(name, value) not in {each.path for each in client.list_artifacts(run_id, FOLDER)}:
        return None
    content = Path(client.download_artifacts(run_id, artifact(name, value), str(scratch))).read_bytes()
    return content.decode() if hashlib.sha256(content).hexdigest() == value else None


def _version(client: "MlflowClient", name: str, place: str) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    wanted = MODEL.fullmatch(name)
    assert wanted
    model, number, alias = wanted["name"], wanted["version"], wanted["alias"]
    try:
        if number:
            return client.get_model_version(model, number)
        return client.get_model_version_by_alias(model, alias)
    except MlflowException as fault:
        if fault.error_code not in ABSENT:
            raise
    known = [each.name for each in client.search_registered_models()]
    if model not in known:
        remedy = nearest(model, known) or f" There are: {', '.join(known) or 'none'}."
        raise WrongInput(f"{name}: no model {model!r} is registered with {place}.{remedy}")
    numbers = sorted(int(each.version) for each in client.search_model_versions(f"name = '{model}'"))
    aliases = client.get_registered_model(model).aliases
    there = ", ".join([*map(str, numbers), *(f"@{each}" for each in sorted(aliases))])
    raise WrongInput(f"{name}: {place} has no such version of {model!r}. There are: {there}.")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
