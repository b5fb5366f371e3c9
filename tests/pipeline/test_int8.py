"""A run that registers the graph in 8 bits: what the registry says of it and what is promoted is that very file's."""

import shutil
from pathlib import Path
from typing import Any

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


def entered(place: Path, name: str = "Eight") -> tuple[list[Version], Examined]:
    """The versions, the newest first, and what of that one is kept for the gate."""
    with open_registry(f"sqlite:///{place}/runs/mlflow.db") as registry:
        versions = registry.versions(name)
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


def otherwise(folder: Path, out: Path, name: str, **changes: Any) -> Path:
    """A copy of what a step left, in which one file of it says something else."""
    shutil.copytree(folder, out)
    write_json(out / name, read_json(out / name) | changes)
    done = read_json(out / "done.json")
    write_json(out / "done.json", {**done, "files": {**done["files"], name: sha256(out / name)}})
    return out


def enter(
    run: RunFolder, place: Path, monkeypatch: pytest.MonkeyPatch, out: Path, name: str = "Eight", **changed: Path
) -> None:
    """Register again, from what the run's steps left, or from these folders."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("SCHWARZ_RUN", str(run.path))
    before = {"begun": "begin", "images": "prepare_data", "evaluation": "evaluate", "exported": "export_onnx"}
    folders = {name: run.steps / step for name, step in before.items()}
    register(preset="tiny", register_=Register(name=name, int8=True), **folders | changed, out=out)


def test_where_none_was_kept_the_one_in_float32_is_registered_and_that_is_said(
    run: RunFolder, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_json(run.steps / "export_onnx" / "model.json")
    int8 = model["int8"] | {"file": None}
    exported = otherwise(run.steps / "export_onnx", tmp_path / "exported", "model.json", int8=int8)
    enter(run, place, monkeypatch, tmp_path / "out", exported=exported)
    assert read_json(tmp_path / "out" / "registered.json")["registered"]["file"] == "average.onnx"
    [newest, _], examined = entered(place)
    wanted = read_json(run.steps / "evaluate" / "evaluation.json")["strategies"]["average"]["test"]
    assert (newest.tags["bits"], newest.tags["sha256"]) == ("32", model["sha256"])
    assert examined.accuracy == pytest.approx(wanted)
    assert REFUSED in (run.journal / "register.jsonl").read_text()
    assert not examined.chosen_on_test


def test_the_gate_is_told_that_the_test_images_chose_it(
    run: RunFolder, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = otherwise(run.steps / "prepare_data", tmp_path / "images", "data.json", validation_is_test=True)
    enter(run, place, monkeypatch, tmp_path / "out", "Chosen", images=images)
    assert entered(place, "Chosen")[1].chosen_on_test


def _card(place: Path) -> str:
    import mlflow

    store = f"sqlite:///{place}/runs/mlflow.db"
    return str(mlflow.MlflowClient(store, registry_uri=store).get_model_version("Eight", "1").description)
