"""The registered model, asked with plain mlflow; the registry away; the same model twice."""

import hashlib
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import onnx
import pytest
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import get_model_info

from schwarz.files import read_json
from schwarz.tracking import Entry, Unreachable, of_run, parent_id, register_model, sync
from tests.pipeline.graphs import model
from tests.pipeline.journals import MD5, begin, found, free_port, report, sender, train_all

# mlflow 3.17: on SQLAlchemy 2.1; when it imports its own pyfunc, where it hides the warning from people
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

IMAGES = np.arange(2 * 4, dtype=np.uint8).reshape(2, 1, 2, 2)
TAGS = {"data.md5": MD5, "strategy": "global", "test_accuracy": "0.9000"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the person stands: every run of this module shares its embedded store."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def store(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(place)
    return f"sqlite:///{place}/runs/mlflow.db"


def entry(path: Path, name: str) -> Entry:
    metrics = {"test_accuracy": 0.9, "validation_accuracy": 0.91}
    return Entry(path, name, TAGS, metrics, ["a", "b", "c", "d"], card="## Intended use")


def version(store: str, name: str, number: str) -> ModelVersion:
    return mlflow.MlflowClient(store, registry_uri=store).get_model_version(name, number)


def test_version_says_what_it_is_and_predicts(place: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(place / "runs" / "tiny" / "1")
    file = model(run.path / "model" / "global.onnx")
    registered = register_model(of_run(run), entry(file, "first"), IMAGES, store)
    parent, _ = found(store, run)
    wanted = {"name": "first", "version": "1", "alias": "champion", "uri": "models:/first/1", "file": "global.onnx"}
    assert registered == {**wanted, "run_id": parent.info.run_id}
    assert parent.info.status == "RUNNING"  # the sender ends it, not the registry

    entered = version(store, "first", "1")
    assert TAGS.items() <= entered.tags.items()
    assert entered.run_id == parent.info.run_id
    assert entered.description == "## Intended use"
    assert parent.outputs is not None
    [output] = parent.outputs.model_outputs
    logged = mlflow.MlflowClient(store).get_logged_model(output.model_id)
    assert logged.status == "READY"
    assert entered.source == logged.model_uri
    assert {m.key: m.value for m in logged.metrics or []} == {"test_accuracy": 0.9, "validation_accuracy": 0.91}

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    about = get_model_info("models:/first@champion")
    assert str(about.signature.inputs) == "['images': Tensor('uint8', (-1, 1, 2, 2))]"
    assert str(about.signature.outputs) == "['probabilities': Tensor('float32', (-1, 4))]"
    assert about.metadata == {"classes": ["a", "b", "c", "d"]}
    folder = Path(download_artifacts("models:/first@champion"))
    assert hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest() == entered.tags["sha256"]
    assert onnx.load(folder / "model.onnx").metadata_props[0].value == "global"
    loaded = mlflow.pyfunc.load_model(str(folder))
    assert loaded.predict(loaded.input_example)["probabilities"].argmax(-1).tolist() == [3, 3]
    assert about.flavors["onnx"]["providers"] == ["CPUExecutionProvider"]  # a GPU one warns where there is none


def test_second_run_is_the_challenger(place: Path, store: str) -> None:
    for number, alias in (("1", "champion"), ("2", "challenger"), ("3", "challenger")):
        run = begin(place / "runs" / "second" / number)
        registered = register_model(of_run(run), entry(model(run.path / "m.onnx"), "second"), IMAGES, store)
        assert (registered["version"], registered["alias"]) == (number, alias)
    client = mlflow.MlflowClient(store, registry_uri=store)
    assert client.get_registered_model("second").aliases == {"champion": 1, "challenger": 3}


def test_same_model_of_the_same_run_is_registered_once(place: Path, store: str) -> None:
    run = begin(place / "runs" / "tiny" / "3")
    first = register_model(of_run(run), entry(model(run.path / "m.onnx"), "third"), IMAGES, store)
    assert register_model(of_run(run), entry(run.path / "m.onnx", "third"), IMAGES, store) == first
    other = register_model(of_run(run), entry(model(run.path / "m.onnx", scale=2), "third"), IMAGES, store)
    assert other["version"] == "2"


def test_registry_away_keeps_the_entry_for_sync(place: Path, store: str, tmp_path: Path) -> None:
    run = begin(place / "runs" / "tiny" / "4")
    train_all(run)
    report(run)
    scratch = model(tmp_path / "global.onnx")
    with pytest.raises(Unreachable, match=f"does not answer .* `schwarz track sync {run.path}` does it"):
        register_model(of_run(run), entry(scratch, "fourth"), IMAGES, f"http://127.0.0.1:{free_port()}")
    scratch.unlink()  # as a pipeline's scratch folder is, after the run

    sent = "54 metrics of 7 runs, model fourth version 1 (champion), results and state"
    assert sync(run.path) == f"Sent to MLflow at {store}: {sent}."
    assert TAGS.items() <= version(store, "fourth", "1").tags.items()
    results = read_json(run.path / "results.json")
    assert results["lineage"] == {"tracking_uri": store, "mlflow_run_id": parent_id(run.path)}
    assert results["model"]["registered"] == {
        "name": "fourth", "version": "1", "alias": "champion", "uri": "models:/fourth/1", "run_id": parent_id(run.path),
        "file": "global.onnx",
    }  # fmt: skip
    assert sync(run.path).endswith("nothing was sent.")


REGISTER = """
import sys
from pathlib import Path
import numpy as np
from schwarz.runs import open_run
from schwarz.tracking import Entry, of_run, register_model
entry = Entry(Path(sys.argv[2]), "quiet", {}, {"test_accuracy": 0.5}, ["a", "b", "c", "d"])
register_model(of_run(open_run(Path(sys.argv[1]))), entry, np.zeros((1, 1, 2, 2), np.uint8), sys.argv[3])
"""


def test_sender_and_registry_make_a_new_store_at_once_and_print_nothing(tmp_path: Path) -> None:
    run = begin(tmp_path / "runs" / "tiny" / "1")
    store = f"sqlite:///{tmp_path}/runs/mlflow.db"
    sending = sender(run, tmp_path)
    command = [sys.executable, "-c", REGISTER, str(run.path), str(model(run.path / "m.onnx")), store]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (*sending.communicate(), sending.returncode) == ("", None, 0)
    parent, _ = found(store, run)  # one parent: the registry and the sender agree on it
    assert parent.info.run_id == version(store, "quiet", "1").run_id
