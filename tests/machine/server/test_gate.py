"""The gate on MLflow's server and the object store: what it decides and what servers find; two that promote at once."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from schwarz.publishing import champion, standing, versions
from schwarz.stack import Stack
from schwarz.storage import Store, open_store
from tests.machine.conftest import MAIN
from tests.pipeline import challengers

# mlflow 3.17 when it imports its own pyfunc, where it hides the warning from people
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

Done = subprocess.CompletedProcess[str]
Schwarz = Callable[..., Done]
Register = Callable[..., str]


@pytest.fixture
def client(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """In the environment that `schwarz stack env` prints, where a person stands who has nothing else."""
    monkeypatch.chdir(tmp_path)
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    return MlflowClient(stack.tracking.address)


@pytest.fixture
def store(client: MlflowClient) -> Store:
    assert client.tracking_uri
    return open_store(os.environ["SCHWARZ_STORE"])


@pytest.fixture
def register(client: MlflowClient, tmp_path: Path) -> Register:
    """A version that is wrong on so many of 500 test images; its number."""

    def made(name: str, wrong: int, scale: float = 1.0, **tested: Any) -> str:
        return challengers.register(tmp_path, client.tracking_uri, name, wrong, scale, **tested)

    return made


@pytest.fixture
def schwarz(client: MlflowClient) -> Schwarz:
    """A command line in a process of its own."""
    assert client.tracking_uri

    def run(*arguments: str) -> Done:
        return subprocess.run([*MAIN, *arguments], capture_output=True, text=True, check=False)

    return run


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    return {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}


def test_a_worse_one_is_refused_a_better_one_promoted_and_a_rollback_restores(
    client: MlflowClient, store: Store, register: Register, schwarz: Schwarz, tmp_path: Path
) -> None:
    name = "story"
    register(name, 100)
    first = schwarz("promote", name)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("models:/story/1 is the champion: it is by its alias, and is published now.")

    register(name, 150, 2)
    before = standing(store, name)
    worse = schwarz("promote", name)
    assert (worse.returncode, worse.stderr) == (1, "")
    assert worse.stdout.startswith("models:/story/2 stays what it is: the lower end of its lead, -0.1")
    assert aliases(client, name) == {"champion": "1", "challenger": "2"}
    assert (standing(store, name), versions(store, name)) == (before, ["1"])
    tags = client.get_model_version(name, "2").tags
    assert (tags["gate.promoted"], tags["gate.difference"], tags["gate.only_champion"]) == ("False", "-0.1", "50")

    register(name, 40, 3)
    better = schwarz("promote", name)
    assert (better.returncode, better.stderr) == (0, "")
    assert aliases(client, name) == {"champion": "3"}
    now = champion(store, name)
    assert now
    assert (now.version, now.before, versions(store, name)) == ("3", ("1",), ["1", "3"])
    store.get(f"models/{name}/3/model.onnx", tmp_path / "got.onnx", now.sha256)
    assert (tmp_path / "got.onnx").read_bytes() == (tmp_path / "runs" / name / "3" / "m.onnx").read_bytes()
    tags = client.get_model_version(name, "3").tags
    assert (tags["gate.promoted"], tags["gate.difference"]) == ("True", "0.12")
    assert float(tags["gate.low"]) > 0

    back = schwarz("rollback", name)
    assert (back.returncode, back.stdout, back.stderr) == (0, "models:/story/1 is the champion again, after 3.\n", "")
    assert aliases(client, name) == {"champion": "1"}
    assert champion(store, name) == before.champion
    assert versions(store, name) == ["1"]  # Triton would serve the highest

    listed = {each["number"]: each for each in json.loads(schwarz("models", name, "--json").stdout)}
    assert {number: each["aliases"] for number, each in listed.items()} == {"3": [], "2": [], "1": ["champion"]}
    rows = [line.split() for line in schwarz("models").stdout.splitlines() if line.startswith(f"{name} ")]
    assert [row[1:2] + row[-4:-3] for row in rows] == [["3", "withdrawn"], ["2", "refused"], ["1", "global"]]


def test_without_a_champion_on_other_test_images_and_in_a_tie(
    client: MlflowClient, store: Store, register: Register, schwarz: Schwarz
) -> None:
    name = "edges"
    register(name, 100)
    client.delete_registered_model_alias(name, "champion")
    first = schwarz("promote", name)
    assert first.returncode == 0
    assert "there is no champion yet" in first.stdout

    register(name, 100, 2)
    tie = schwarz("promote", name)
    assert tie.returncode == 1
    assert "is not above 0" in tie.stdout
    assert "  images    0 it alone gets right, 0 the champion alone (p = 1)" in tie.stdout

    register(name, 1, 3, data_md5="b" * 32)
    other = schwarz("promote", name)
    assert other.returncode == 1
    assert "tested on other images than the champion" in other.stdout
    assert "gate.difference" not in client.get_model_version(name, "3").tags
    assert aliases(client, name) == {"champion": "1", "challenger": "3"}
    assert versions(store, name) == ["1"]


def test_two_that_promote_at_once_leave_one_champion(
    client: MlflowClient, store: Store, register: Register, schwarz: Schwarz
) -> None:
    """Each is better than the champion: one is promoted, the other overtaken, or measured against the first."""
    name = "race"
    register(name, 300)
    assert schwarz("promote", name).returncode == 0
    for wrong in (200, 100):
        register(name, wrong, wrong)
    both = [
        subprocess.Popen([*MAIN, "promote", f"{name}/{number}"], stdout=-1, stderr=-1, text=True) for number in "23"
    ]
    told = [(*each.communicate(), each.returncode) for each in both]
    now = champion(store, name)
    assert now
    assert aliases(client, name)["champion"] == now.version
    assert now.version in versions(store, name)
    assert versions(store, name)[-1] == now.version
    assert 0 in [status for *_, status in told]
    for number, (out, err, status) in zip("23", told, strict=True):
        words = {0: "is the champion:", 1: f"models:/race/{number} stays what it is"}
        assert words[status] in out or (status == 1 and "another promotion or rollback came in between" in err)
        assert (number in (now.version, *now.before)) == (status == 0)
