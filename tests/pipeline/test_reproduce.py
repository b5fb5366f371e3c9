"""`schwarz reproduce` around the real pipeline: from a run's folder, and from what a registered model says of it.

Its examples are run here.
"""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest

from schwarz.cli.reproduce import reproduce
from schwarz.errors import WrongInput
from schwarz.files import read_json, sha256, write_json
from schwarz.lineage import processor
from schwarz.reproduction import of_mlflow, record_of
from schwarz.tracking.records import keep, recorded
from tests.waiting import until

OURS = ("SCHWARZ_", "MLFLOW_", "AWS_", "KFP_", "NO_COLOR")
SMALL = "--network.family lenet5 --network.width none --network.dense none --data.limit 200 --local.epochs 2"
RUN = f"schwarz run tiny --runner python --strategies average coarse --place.pods 1 {SMALL}"
MLFLOW = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")  # of its SQLAlchemy
NETWORKS = ["coarse", "local 0", "local 1", "local 2", "local 3"]


def start(line: str, folder: Path, **settings: str) -> subprocess.Popen[str]:
    """A command line as a person types it, its output in pipes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    _, *arguments = shlex.split(line)
    command = [sys.executable, "-c", "from schwarz.cli import main; main()", *arguments]
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), **settings}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    )


def finished(line: str, folder: Path, **settings: str) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of a command line."""
    process = start(line, folder, **settings)
    out, err = process.communicate()
    assert "Traceback" not in out + err
    return process.returncode, out, err


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs/tiny/1 is a finished run, registered in the store beside it."""
    folder = tmp_path_factory.mktemp("home")
    status, out, err = finished(RUN, folder)
    assert (status, err) == (0, ""), out[-2000:]
    return folder


@pytest.fixture(scope="module")
def again(home: Path) -> tuple[int, str, str]:
    """What `schwarz reproduce tiny/1` says, where networks would be trained in step if they were not and the other way
    round: the run folder runs/tiny/2 is what it made."""
    choices = list((home / "cache" / "schwarz" / "steps").iterdir())
    assert choices
    for file in choices:
        spent = read_json(file)
        write_json(file, {"alone": spent["stacked"], "stacked": spent["alone"]})
    return finished(reproduce.examples[0], home)  # type: ignore[attr-defined]  # our own kind of command


@pytest.fixture
def unchanged(home: Path) -> Iterator[None]:
    """Nothing in the store is other after the test than before."""
    before = kept(home)
    yield
    assert kept(home) == before


def kept(home: Path) -> dict[str, Any]:
    """The versions with their aliases, and the runs."""
    with closing(sqlite3.connect(home / "runs" / "mlflow.db")) as store:
        return {
            table: store.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  # the words below
            for table in ("model_versions", "registered_model_aliases", "runs", "metrics")
        }


@pytest.fixture
def without_folder(home: Path) -> Iterator[Path]:
    """As on another machine: the run's folder is not here."""
    (home / "runs" / "tiny" / "1").rename(home / "away")
    yield home
    (home / "away").rename(home / "runs" / "tiny" / "1")


@pytest.mark.usefixtures("unchanged")
def test_a_run_is_made_again_from_its_folder_to_the_same_bytes(again: tuple[int, str, str], home: Path) -> None:
    status, out, err = again
    assert (status, err) == (0, ""), out
    rows = [line for line in out.splitlines() if line.endswith(" same")]
    assert [row[: -len(" same")].split("  ")[0].strip() for row in rows] == [*NETWORKS, "average.onnx"]
    for row in rows:
        recorded, found = row.split()[-3:-1]
        assert recorded == found
        assert len(recorded) == 12
    assert out.splitlines()[-1] == "The same: 5 networks and the model, byte for byte."
    assert "\x1b" not in out
    assert not any("register" in line or "report" in line for line in out.splitlines())
    folder = home / "runs" / "tiny" / "2"
    assert read_json(folder / "reproduction.json")["same"] is True
    assert "`reproduction.json`" in (folder / "INDEX.md").read_text()


@pytest.mark.usefixtures("unchanged")
def test_what_a_registered_model_says_is_enough(without_folder: Path) -> None:
    line: str = reproduce.examples[1]  # type: ignore[attr-defined]  # our own kind of command
    status, out, err = finished(f"{line} --out other", without_folder)
    assert status == 0, err
    told = json.loads(out)
    assert (told["of"], told["same"], told["model"]["same"]) == ("models:/tiny@champion", True, True)
    assert {row["name"] for row in told["networks"]} == set(NETWORKS)
    assert "\r" not in err
    assert "export" in err
    recorded = (without_folder / "away" / "config.toml").read_text()
    assert (without_folder / "other" / "config.toml").read_text() == recorded


def test_another_weight_is_named_with_what_may_have_made_it_so(again: tuple[int, str, str], home: Path) -> None:
    flipped = home / "flipped"
    shutil.copytree(home / "runs" / "tiny" / "1", flipped)
    done, lineage = flipped / "steps" / "train_local" / "0" / "done.json", flipped / "steps" / "begin" / "lineage.json"
    told = read_json(done)
    told["files"]["box-2/weights.safetensors"] = "f" * 64
    write_json(done, told)
    origin = read_json(lineage)
    write_json(lineage, origin | {"processor": "an older one", "versions": origin["versions"] | {"torch": "2.0.0"}})
    status, out, err = finished("schwarz reproduce flipped --out runs/tiny/2", home)  # goes on: all is done there
    assert status == 1
    assert "average.onnx" in out
    (row,) = [line for line in out.splitlines() if line.endswith("DIFFERENT")]
    assert row.split()[:3] == ["local", "2", "f" * 12]
    assert f"Note: the processor there was an older one; here it is {processor()}." in out
    assert "weights.safetensors is damaged" in out
    last = err.splitlines()[-1]
    assert last.startswith("Error: 1 of 6 are different: local 2. Most likely for: ")
    assert "torch 2.0.0 there" in last
    assert "another processor" in last
    assert "The record itself is in doubt" in last
    assert read_json(home / "runs" / "tiny" / "2" / "reproduction.json")["same"] is False


@pytest.fixture
def store(home: Path) -> str:
    return f"sqlite:///{home}/runs/mlflow.db"


@MLFLOW
def test_what_mlflow_holds_is_checked_before_the_work(home: Path, store: str) -> None:
    (weights,) = (home / "runs" / "mlartifacts").glob("*/artifacts/reproduce/weights-*.json")
    run_id, whole = weights.parts[-4], weights.read_text()
    assert of_mlflow(run_id, store).made == of_mlflow("models:/tiny/1", store).made
    client = mlflow.MlflowClient(store, registry_uri=store)
    origin = read_json(home / "runs" / "tiny" / "1" / "steps" / "begin" / "lineage.json")
    tags = {"code.digest": origin["code"], "weights.sha256": sha256(weights)}
    assert tags.items() <= client.get_run(run_id).data.tags.items()
    assert tags.items() <= client.get_model_version("tiny", "1").tags.items()
    lack = rf": weights\.json of the run {run_id} is not there, or not as it was written\."
    weights.write_text(whole.replace("0", "1"))
    with pytest.raises(WrongInput, match=f"^{run_id}: .*{lack}"):
        of_mlflow(run_id, store)
    weights.unlink()
    with pytest.raises(WrongInput, match=f"^models:/tiny/1: .*{lack}"):
        of_mlflow("models:/tiny/1", store)
    weights.write_text(whole)


@MLFLOW
def test_a_version_of_before_is_refused_with_all_that_it_lacks(store: str) -> None:
    client = mlflow.MlflowClient(store, registry_uri=store)
    run = client.create_run(client.create_experiment("before")).info.run_id
    client.create_registered_model("old")
    client.create_model_version("old", f"runs:/{run}/model", run, await_creation_for=0)
    lacks = "config.toml, lineage.json, weights.json"
    with pytest.raises(WrongInput, match=f"^models:/old/1: .*: {lacks} of the run {run} is not there"):
        of_mlflow("models:/old/1", store)


@MLFLOW
def test_a_run_that_registers_once_more_takes_nothing_from_its_first_version(home: Path, store: str) -> None:
    client = mlflow.MlflowClient(store, registry_uri=store)
    run = str(client.get_model_version("tiny", "1").run_id)
    first = of_mlflow("models:/tiny/1", store)
    steps = home / "runs/tiny/1/steps"
    kept = record_of(steps / "begin", steps / "export_onnx")
    later = {name: text.replace("coarse", "other") for name, text in kept.items()}
    before = dict(client.get_run(run).data.tags)
    tags = keep(client, run, later)
    assert tags["weights.sha256"] != before["weights.sha256"]
    assert of_mlflow("models:/tiny/1", store) == first
    assert "other" in recorded(run, store, ["weights.json"]).files["weights.json"]
    for name in tags:
        client.set_tag(run, name, before[name])


@MLFLOW
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("models:/tiny/2", "has no such version of 'tiny'. There are: 1, @champion."),
        ("models:/tiny@best", "has no such version of 'tiny'. There are: 1, @champion."),
        ("models:/tniy/1", "Did you mean 'tiny'?"),
        ("0" * 32, "such a run is not in MLflow at sqlite:///"),
    ],
)
def test_what_mlflow_does_not_know_is_refused(store: str, name: str, known: str) -> None:
    with pytest.raises(WrongInput) as told:
        of_mlflow(name, store)
    assert str(told.value).startswith(f"{name}: ")
    assert known in str(told.value)


def test_data_that_are_not_at_hand_are_refused_before_anything_is_made(home: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    commit = read_json(home / "runs" / "tiny" / "1" / "steps" / "begin" / "lineage.json")["commit"]
    listing = (Path(__file__).parents[2] / "data.dvc").read_text()
    md5 = next(line.split()[-1] for line in listing.splitlines() if "md5:" in line)
    way = f"The run used version {md5}: `git checkout {commit} -- "
    before = {path.name for path in (home / "runs" / "tiny").iterdir()}
    for content, message in (
        (None, way),  # no such set in the checkout
        (listing.replace(md5, f"{'0' * 32}.dir"), way),  # another version
        (listing, "lies in no DVC checkout"),  # no images, nor a store they could come from
    ):
        if content is not None:
            (project / "data.dvc").write_text(content)
        status, out, err = finished("schwarz reproduce tiny/1", home, SCHWARZ_PROJECT=str(project))
        assert (status, out) == (2, "")
        assert message in err.splitlines()[-1]
    assert {path.name for path in (home / "runs" / "tiny").iterdir()} == before


def test_ctrl_c_ends_it_and_says_how_to_go_on(home: Path) -> None:
    process = start("schwarz reproduce tiny/1 --out stopped", home)
    until((home / "stopped" / "logs" / "journal" / "begin.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert shlex.split(err.splitlines()[-1])[1:] == ["reproduce", "tiny/1", "--out", str(home / "stopped")]
