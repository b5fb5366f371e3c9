"""What is asked of MLflow: the few operations that sending a journal takes, and the two ways to them.

A server is spoken to by its REST interface: importing `mlflow` costs more CPU-seconds than all sending beside a step.
What that does not reach, a database or a way to log in that takes more than a name and a password, is left to mlflow's
own client. Either way a fault is Unreachable, with the remedy.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from schwarz.tracking.server import Unreachable, reachable, shown

T = TypeVar("T")
HTTP = ("http", "https")
BY_LIBRARY = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_CLIENT_CERT_PATH")
"""Ways to log in that mlflow's own client knows."""
BY_FILE = ("~/.mlflow/credentials", "~/.netrc")
"""And files in which it finds a password."""
METRICS, PARAMS = 1000, 100  # MLflow's limits on one call


class Point(NamedTuple):
    """One value of one metric. MLflow takes the same point once."""

    key: str
    value: float
    t_ms: int
    epoch: int


class Experiment(NamedTuple):
    """An experiment, perhaps one that was deleted and could be restored."""

    id: str
    deleted: bool


class Dataset(NamedTuple):
    """A data set as an input of a run; `source` is a file of the code repository, said in JSON."""

    name: str
    digest: str
    source: str


@dataclass(frozen=True)
class Found:
    """An MLflow run as the store has it."""

    id: str
    experiment: str
    status: str
    began_ms: int
    artifacts: str
    """Where its files are kept."""
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each."""


class Client(Protocol):
    """One MLflow store."""

    uri: str

    def experiment(self, name: str) -> Experiment | None:
        """The experiment of that name."""
        ...

    def new_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        """The id of a new experiment, or of the one that somebody made meanwhile."""
        ...

    def run(self, identity: str) -> Found:
        """The run of that id."""
        ...

    def find(self, experiment: str, tag: str, value: str) -> list[Found]:
        """Every run of an experiment that has the tag."""
        ...

    def new_run(self, experiment: str, name: str, began_ms: int, tags: Mapping[str, str]) -> Found:
        """A new run, which is RUNNING."""
        ...

    def log(
        self,
        identity: str,
        metrics: Iterable[Point] = (),
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        """Give a run metrics, parameters and tags."""
        ...

    def epochs(self, identity: str, metric: str) -> set[int]:
        """The epochs for which a run has a metric."""
        ...

    def use(self, identity: str, dataset: Dataset) -> None:
        """Say that a run was trained on a data set."""
        ...

    def update(self, identity: str, status: str, ended_ms: int | None = None) -> None:
        """Set a run's state, and when it ended."""
        ...

    def delete(self, identity: str) -> None:
        """Put a run where MLflow keeps deleted ones."""
        ...

    def upload(self, run: Found, file: Path) -> None:
        """Keep a file with a run, under its name."""
        ...


def open_client(uri: str, timeout_s: int) -> Client:
    """The client for a store, whose requests end within `timeout_s`."""
    if urlsplit(uri).scheme not in HTTP or _library():
        from schwarz.tracking.library import Library

        return Library(uri, timeout_s)
    from schwarz.tracking.rest import Rest

    return Rest(uri, timeout_s)


def trouble(uri: str) -> str | None:
    """Why MLflow at `uri` would take nothing from us, with the remedy, or None. Asked with our login and without any
    consequence; answered within 4 s."""
    if reason := reachable(uri):
        return f"MLflow at {shown(uri)} does not answer ({reason})"
    try:
        if urlsplit(uri).scheme in HTTP:
            open_client(uri, 2).experiment("Default")
    except Unreachable as fault:
        return str(fault)
    return None


def portions(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in their order, no more than `size` at once."""
    return (items[i : i + size] for i in range(0, len(items), size))


def _library() -> bool:
    named = "MLFLOW_TRACKING_USERNAME" in os.environ or "MLFLOW_TRACKING_TOKEN" in os.environ
    by_file = not named and any(Path(file).expanduser().exists() for file in BY_FILE)
    return by_file or any(name in os.environ for name in BY_LIBRARY)
