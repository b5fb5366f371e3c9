"""A run that registers the graph in 8 bits: what the registry says of it and what is promoted is that very file's."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from schwarz import data as datasets
from schwarz import storage
from schwarz.config import Register
from schwarz.evaluation.gate import Examined
from schwarz.files import read_json, sha256, write_json
from schwarz.images import Labelled
from schwarz.int8 import right
from schwarz.runs import RunFolder, open_run, project_root
from schwarz.steps.register import REFUSED, register
from schwarz.tracking.models import Version, open_registry
from tests.pipeline.test_cli_run import finished

# mlflow 3.17: on SQLAlchemy 2.1; when it imports its own pyfunc, where it hides the warning from people
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
LINE = (
    "schwarz run tiny --strategies average --export.int8 true --export.int8_margin 1 --register.int8 true "
    "--register.name Eight"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    place = tmp_path_factory.mktemp("place")
    status, out, err = finished(LINE, place)
    assert (status, err) == (0, ""), out[-2000:]
    file = place / "runs" / "tiny" / "1" / "model" / "average-int8.onnx"
    assert f"int8       {file}  (Eight version 1, champion)  (validation accuracy " in out
    return open_run(place / "runs" / "tiny" / "1")


@pytest.fixture
def place(run: RunFolder) -> Path:
    return run.path.parents[2]


def entered(place: Path) -> tuple[list[Version], Examined]:
    """The versions, the newest first, and what of that one is kept for the gate."""
    with open_registry(f"sqlite:///{place}/runs/mlflow.db") as registry:
        versions = registry.versions("Eight")
        kept = registry.gate(versions[0])
    assert kept
    return versions, Examined.from_json(kept)


def test_it_is_registered_with_its_own_figures(run: RunFolder, place: Path) -> None:
    file = run.path / "model" / "average-int8.onnx"
    images = Labelled(*datasets.read(storage.fetch(datasets.describe(project_root(), "sample")), "test"))
    named = right(file, images)
    [version], examined = entered(place)
    assert np.array_equal(examined.right, named)
    told = {"bits": "8", "test_accuracy": f"{named.mean():.4f}", "sha256": sha256(file)}
    assert version.tags.items() >= told.items()
    assert f"it recognises **{named.mean():.4f}** of the test images" in _card(place)


def test_it_is_what_is_promoted(run: RunFolder, place: Path) -> None:
    assert " average in 8 bits " in finished("schwarz models Eight", place)[1]
    assert finished("schwarz promote Eight", place)[0] == 0
    published = place / "runs" / "store" / "models" / "Eight" / "1" / "model.onnx"
    assert published.read_bytes() == (run.path / "model" / "average-int8.onnx").read_bytes()


def test_where_none_was_kept_the_one_in_float32_is_registered_and_that_is_said(
    run: RunFolder, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = tmp_path / "exported"
    shutil.copytree(run.steps / "export_onnx", exported)
    model = read_json(exported / "model.json")
    write_json(exported / "model.json", {**model, "int8": {**model["int8"], "file": None}})
    done = read_json(exported / "done.json")
    files = {**done["files"], "model.json": sha256(exported / "model.json")}
    write_json(exported / "done.json", {**done, "files": files})
    monkeypatch.chdir(place)
    monkeypatch.setenv("SCHWARZ_RUN", str(run.path))
    before = {"begun": "begin", "images": "prepare_data", "evaluation": "evaluate"}
    folders = {name: run.steps / step for name, step in before.items()}
    register(
        preset="tiny", register_=Register(name="Eight", int8=True), **folders, exported=exported, out=tmp_path / "out"
    )
    assert read_json(tmp_path / "out" / "registered.json")["registered"]["file"] == "average.onnx"
    [newest, _], examined = entered(place)
    wanted = read_json(run.steps / "evaluate" / "evaluation.json")["strategies"]["average"]["test"]
    assert (newest.tags["bits"], newest.tags["sha256"]) == ("32", model["sha256"])
    assert examined.accuracy == pytest.approx(wanted)
    assert REFUSED in (run.journal / "register.jsonl").read_text()


def _card(place: Path) -> str:
    import mlflow

    store = f"sqlite:///{place}/runs/mlflow.db"
    return str(mlflow.MlflowClient(store, registry_uri=store).get_model_version("Eight", "1").description)
