"""The registered models: which versions there are, what the gate needs of them, and who is the champion."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from schwarz.errors import SchwarzError, WrongInput, nearest
from schwarz.files import sha256
from schwarz.tracking.records import ABSENT, artifact, tag
from schwarz.tracking.server import EMBEDDED, UPLOAD_S, Unreachable, answering, connect, reachable, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.store.entities import PagedList

T = TypeVar("T")

CHAMPION, CHALLENGER = "champion", "challenger"
GATES = "gate."
GATE = "gate.json"
"""What a version got right on its test images: kept with the run that made it."""


@dataclass(frozen=True)
class Version:
    """One registered version of a model."""

    name: str
    number: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    run_id: str
    created_ms: int

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.number}"


class Registry:
    """The registry of one MLflow, asked by its own client; to be had from `open_registry`."""

    def __init__(self, client: "MlflowClient", uri: str) -> None:
        self.client, self.uri = client, uri

    def names(self) -> list[str]:
        return sorted(each.name for each in _every(self.client.search_registered_models))

    def versions(self, name: str) -> list[Version]:
        """By number, the newest first; WrongInput where no model is called so."""
        from mlflow.exceptions import MlflowException

        try:
            aliases = self.client.get_registered_model(name).aliases
        except MlflowException as fault:
            if fault.error_code not in ABSENT:
                raise
            known = self.names()
            remedy = nearest(name, known) or f" There are: {', '.join(known) or 'none'}."
            raise WrongInput(f"no model {name!r} is registered with MLflow at {shown(self.uri)}.{remedy}") from None
        of_name = partial(self.client.search_model_versions, f"name = '{name}'")
        found = [_version(each, aliases) for each in _every(of_name)]
        return sorted(found, key=lambda each: -int(each.number))

    def gate(self, version: Version) -> dict[str, Any] | None:
        """What it got right, by gate.json; None where that was not kept, or is not as it was written."""
        value = version.tags.get(tag(GATE))
        if value is None:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(self.client.download_artifacts(version.run_id, artifact(GATE, value), scratch))
            return json.loads(path.read_text()) if sha256(path) == value else None

    def fetch(self, version: Version, folder: Path) -> Path:
        """Its ONNX file, compared with the sha256 that it was registered with."""
        from mlflow.artifacts import download_artifacts

        whole = download_artifacts(artifact_uri=version.uri, dst_path=str(folder), tracking_uri=self.uri)
        file = Path(whole) / "model.onnx"
        if not file.exists() or sha256(file) != version.tags.get("sha256"):
            raise SchwarzError(
                f"{version.uri}: its model.onnx is missing, or not what was registered. It cannot be served; train "
                "and register it anew."
            )
        return file

    def crown(self, name: str, number: str) -> None:
        """Make a version the champion."""
        self.client.set_registered_model_alias(name, CHAMPION, number)
        aliases = self.client.get_registered_model(name).aliases
        if str(aliases.get(CHALLENGER)) == number:
            self.client.delete_registered_model_alias(name, CHALLENGER)

    def note(self, version: Version, tags: Mapping[str, str]) -> None:
        """What the gate said of it last."""
        for key in version.tags:
            if key.startswith(GATES) and key not in (*tags, tag(GATE)):  # of an earlier decision
                self.client.delete_model_version_tag(version.name, version.number, key)
        for key, value in tags.items():
            self.client.set_model_version_tag(version.name, version.number, key, value)

    def mark(self, version: Version, tags: Mapping[str, str | None]) -> None:
        """What became of it later: each of the tags alone; None takes one away."""
        for key, value in tags.items():
            if value is not None:
                self.client.set_model_version_tag(version.name, version.number, key, value)
            elif key in version.tags:
                self.client.delete_model_version_tag(version.name, version.number, key)


def there_is(uri: str) -> bool:
    """Whether there is anything to ask: a store in files may not have been made yet."""
    return not uri.startswith(EMBEDDED) or Path(uri.removeprefix(EMBEDDED)).exists()


@contextmanager
def open_registry(uri: str) -> Iterator[Registry]:
    """The registry at `uri`; every way in which it can fail is one message."""
    place = f"MLflow at {shown(uri)}"
    if not there_is(uri):  # asking must not make one
        raise WrongInput(f"there is no {place}. MLFLOW_TRACKING_URI names the server or the store that has the models.")
    if reason := reachable(uri):
        raise SchwarzError(f"{place} does not answer ({reason}). Start it, or name another in MLFLOW_TRACKING_URI.")
    try:
        with answering(uri):
            import mlflow

            mlflow.set_tracking_uri(uri)  # where an embedded registry looks `models:/...` up, not the client's
            yield Registry(connect(uri, UPLOAD_S), uri)
    except Unreachable as fault:
        raise SchwarzError(f"{fault}.") from fault


def _every(search: "Callable[..., PagedList[T]]") -> Iterator[T]:
    """What MLflow finds, page by page."""
    token = None
    while token != "":
        page = search(page_token=token)
        yield from page
        token = page.token or ""


def _version(found: "ModelVersion", aliases: Mapping[str, str]) -> Version:
    own = tuple(sorted(alias for alias, number in aliases.items() if str(number) == str(found.version)))
    return Version(
        found.name, str(found.version), own, found.tags, str(found.run_id), int(found.creation_timestamp or 0)
    )
