"""MLflow by its own client: the embedded store, other databases, and what only that client can log in to."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from schwarz.tracking.client import METRICS, PARAMS, Dataset, Experiment, Found, Point, portions
from schwarz.tracking.server import EMBEDDED, answering, connect

if TYPE_CHECKING:
    from mlflow.entities import Run


class Library:
    """Whatever `MlflowClient` reaches."""

    def __init__(self, uri: str, timeout_s: int) -> None:
        self.uri = uri
        with answering(uri):
            self.client = connect(uri, timeout_s)

    def experiment(self, name: str) -> Experiment | None:
        with answering(self.uri):
            found = self.client.get_experiment_by_name(name)
        return found and Experiment(found.experiment_id, found.lifecycle_stage == "deleted")

    def new_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        from mlflow.exceptions import MlflowException

        # Files of the embedded store lie beside it, wherever the person stands later.
        folder = Path(self.uri.removeprefix(EMBEDDED)).parent / "mlartifacts" if self.uri.startswith(EMBEDDED) else None
        with answering(self.uri):
            try:
                return self.client.create_experiment(name, folder.as_uri() if folder else None, dict(tags))
            except MlflowException as fault:
                found = self.client.get_experiment_by_name(name)
                if fault.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                    raise
                return found.experiment_id

    def run(self, identity: str) -> Found:
        with answering(self.uri):
            return _found(self.client.get_run(identity))

    def find(self, experiment: str, tag: str, value: str) -> list[Found]:
        with answering(self.uri):
            runs = self.client.search_runs([experiment], f"tags.`{tag}` = '{value}'", max_results=10_000)
        return [_found(run) for run in runs]

    def new_run(self, experiment: str, name: str, began_ms: int, tags: Mapping[str, str]) -> Found:
        with answering(self.uri):
            return _found(self.client.create_run(experiment, began_ms, dict(tags), run_name=name))

    def log(
        self,
        identity: str,
        metrics: Iterable[Point] = (),
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        said = [Param(key, str(value)) for key, value in (params or {}).items()]
        tagged = [RunTag(key, str(value)) for key, value in (tags or {}).items()]
        measured = [Metric(point.key, point.value, point.t_ms, point.epoch) for point in metrics]
        with answering(self.uri):
            for some in portions(said, PARAMS):
                self.client.log_batch(identity, params=some)
            for some in portions(tagged, PARAMS):
                self.client.log_batch(identity, tags=some)
            for some in portions(measured, METRICS):
                self.client.log_batch(identity, metrics=some)

    def epochs(self, identity: str, metric: str) -> set[int]:
        with answering(self.uri):
            return {point.step for point in self.client.get_metric_history(identity, metric)}

    def use(self, identity: str, dataset: Dataset) -> None:
        from mlflow.entities import Dataset as Entity
        from mlflow.entities import DatasetInput, InputTag

        about = Entity(dataset.name, dataset.digest, "code", dataset.source)
        with answering(self.uri):
            self.client.log_inputs(identity, [DatasetInput(about, [InputTag("mlflow.data.context", "training")])])

    def update(self, identity: str, status: str, ended_ms: int | None = None) -> None:
        with answering(self.uri):
            if ended_ms is None:
                self.client.update_run(identity, status=status)
            else:
                self.client.set_terminated(identity, status, ended_ms)

    def delete(self, identity: str) -> None:
        with answering(self.uri):
            self.client.delete_run(identity)

    def upload(self, run: Found, file: Path) -> None:
        with answering(self.uri):
            self.client.log_artifact(run.id, str(file))


def _found(run: "Run") -> Found:
    info, data = run.info, run.data
    place = (info.run_id, info.experiment_id, info.status, info.start_time, str(info.artifact_uri))
    return Found(*place, data.tags, data.params, data.metrics)
