"""The gate on a real registry: a worse challenger is refused, a better one promoted, a rollback restores.

The examples of `models`, `promote` and `rollback` are run here.
"""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from onnx import TensorProto, helper

from schwarz.cli.completion import commands
from schwarz.cli.entry import schwarz as program
from schwarz.cli.entry import status
from schwarz.cli.grammar import Command
from schwarz.evaluation.gate import Examined
from schwarz.tracking import GATE, Entry, of_run, register_model
from tests.pipeline import challengers
from tests.pipeline.challengers import IMAGES
from tests.pipeline.graphs import graph, model
from tests.pipeline.journals import begin, free_port

# mlflow 3.17: on SQLAlchemy 2.1; when it imports its own pyfunc, where it hides the warning from people
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
EXAMPLES = {path: command.examples for path, command in commands(program) if isinstance(command, Command)}
Told = tuple[int, str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the person stands; its embedded store has the tables that take MLflow seconds to make."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def client(place: Path, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    monkeypatch.chdir(place)
    store = f"sqlite:///{place}/runs/mlflow.db"
    return mlflow.MlflowClient(store, registry_uri=store)


@pytest.fixture
def schwarz(client: mlflow.MlflowClient, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Told]:
    """A command line, as a person types it."""

    def run(line: str) -> Told:
        number = status(shlex.split(line)[1:])
        out, err = capsys.readouterr()
        return number, out, err

    return run


def register(place: Path, name: str, wrong: int, scale: float = 1.0, **tested: Any) -> str:
    return challengers.register(place, f"sqlite:///{place}/runs/mlflow.db", name, wrong, scale, **tested)


def aliases(client: mlflow.MlflowClient, name: str) -> dict[str, str]:
    return {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}


def pointer(place: Path, name: str) -> dict[str, Any]:
    return json.loads((place / "runs" / "store" / "models" / name / "champion.json").read_text())


def test_the_whole_story(place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]) -> None:
    assert EXAMPLES["promote"][0] == "schwarz promote tiny"
    register(place, "tiny", wrong=100)
    number, out, _ = schwarz("schwarz promote tiny")  # the first version is the champion, and published now
    assert number == 0
    assert out.startswith("models:/tiny/1 is the champion: it is by its alias, and is published now.")
    assert "serve tiny@champion" in out
    published = place / "runs" / "store" / "models" / "tiny"
    assert (published / "1" / "model.onnx").read_bytes() == (place / "runs/tiny/1/m.onnx").read_bytes()

    register(place, "tiny", wrong=150, scale=2)
    number, out, _ = schwarz("schwarz promote tiny")
    assert number == 1
    assert out.startswith("models:/tiny/2 stays what it is: the lower end of its lead, -0.1")
    assert "  images    0 it alone gets right, 50 the champion alone" in out
    assert aliases(client, "tiny") == {"champion": "1", "challenger": "2"}
    assert not (published / "2").exists()
    tags = client.get_model_version("tiny", "2").tags
    assert (tags["gate.promoted"], tags["gate.difference"], tags["gate.only_champion"]) == ("False", "-0.1", "50")

    register(place, "tiny", wrong=40, scale=3)
    number, out, _ = schwarz("schwarz promote tiny")
    assert number == 0
    assert out.startswith("models:/tiny/3 is the champion: the lower end of its lead, +0.0")
    assert aliases(client, "tiny") == {"champion": "3"}
    assert pointer(place, "tiny")["version"] == "3"
    assert client.get_model_version("tiny", "3").tags["gate.promoted"] == "True"

    number, out, _ = schwarz(EXAMPLES["rollback"][0])
    assert (number, out) == (0, "models:/tiny/1 is the champion again, after 3.\n")
    assert aliases(client, "tiny") == {"champion": "1"}
    assert pointer(place, "tiny")["version"] == "1"
    assert not (published / "3" / "model.onnx").exists()  # Triton would serve it

    number, out, _ = schwarz(EXAMPLES["models"][0])
    rows = {line.split()[1]: line.split() for line in out.splitlines()[1:] if line.startswith("tiny ")}
    assert rows["1"][2:5] == ["champion", "served", "global"]
    assert (rows["2"][3], rows["3"][3]) == ("refused", "withdrawn")
    listed = json.loads(schwarz(EXAMPLES["models"][1])[1])
    assert [(each["number"], each["served"]) for each in listed] == [("3", False), ("2", False), ("1", True)]


def test_a_margin_lets_a_slightly_worse_one_pass(place: Path, schwarz: Callable[[str], Told]) -> None:
    register(place, "near", wrong=100)
    register(place, "near", wrong=101, scale=2)
    assert schwarz("schwarz promote near")[0] == 1
    line = EXAMPLES["promote"][1].replace("tiny", "near")
    assert "--margin 0.01" in line
    number, out, _ = schwarz(line)
    assert number == 0, out


def test_other_test_images_are_not_compared_and_force_says_so(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]
) -> None:
    register(place, "other", wrong=100)
    register(place, "other", wrong=1, data_md5="b" * 32)
    number, out, _ = schwarz("schwarz promote other")
    assert number == 1
    assert "tested on other images than the champion" in out
    line = EXAMPLES["promote"][2].replace("tiny/1", "other/2")
    assert line.endswith("--force")
    assert schwarz(line)[0] == 0
    because = client.get_model_version("other", "2").tags["gate.because"]
    assert because.startswith("forced; the gate had refused it: it was tested on other images than the champion")
    assert aliases(client, "other") == {"champion": "2"}


def test_a_rollback_brings_back_what_was_taken_away(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]
) -> None:
    """Version 2 was taken from the store when version 1 was put before it: the registry has it."""
    register(place, "lower", wrong=100)
    assert schwarz("schwarz promote lower")[0] == 0
    register(place, "lower", wrong=10, scale=2)
    assert schwarz("schwarz promote lower")[0] == 0
    assert schwarz("schwarz promote lower/1 --force")[0] == 0
    published = place / "runs" / "store" / "models" / "lower"
    assert not (published / "2" / "model.onnx").exists()
    tags = client.get_model_version("lower", "2").tags
    assert (tags["gate.promoted"], "gate.sha256" in tags) == ("True", True)
    assert schwarz("schwarz rollback lower") == (0, "models:/lower/2 is the champion again, after 1.\n", "")
    assert (published / "2" / "model.onnx").read_bytes() == (place / "runs/lower/2/m.onnx").read_bytes()
    tags = client.get_model_version("lower", "2").tags
    assert {"gate.low", "gate.restored", "gate.sha256"} <= tags.keys()  # what led to it is kept


def test_the_first_promotion_can_be_rolled_back_and_a_forced_one_says_what_the_gate_said(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]
) -> None:
    """A run's first version is the champion by its alias, though nobody has published it."""
    register(place, "first", wrong=100)
    register(place, "first", wrong=150, scale=2)
    assert schwarz("schwarz promote first/2")[0] == 1
    assert schwarz("schwarz promote first/2 --force")[0] == 0
    because = client.get_model_version("first", "2").tags["gate.because"]
    assert because.startswith("forced; the gate had refused it: the lower end of its lead")
    _, out, _ = schwarz("schwarz models first")
    assert "forced" in next(line for line in out.splitlines() if line.split()[1:2] == ["2"])
    assert schwarz("schwarz rollback first") == (0, "models:/first/1 is the champion again, after 2.\n", "")
    assert aliases(client, "first") == {"champion": "1"}
    assert (place / "runs/store/models/first/1/model.onnx").exists()


def test_a_version_without_what_the_gate_needs(place: Path, schwarz: Callable[[str], Told]) -> None:
    register(place, "bare", wrong=100)
    run = begin(place / "runs" / "bare" / "2")
    entry = Entry(model(run.path / "m.onnx", 2), "bare", {}, {"test_accuracy": 0.5}, ["a", "b", "c", "d"])
    register_model(of_run(run), entry, IMAGES, f"sqlite:///{place}/runs/mlflow.db")
    number, out, _ = schwarz("schwarz promote bare")
    assert number == 1
    assert "of models:/bare/2 it is not kept what it got right" in out


def test_what_is_not_there_is_named_with_what_is(place: Path, schwarz: Callable[[str], Told]) -> None:
    register(place, "known", wrong=100)
    assert schwarz("schwarz promote knwn")[0] == 2
    assert "Did you mean 'known'?" in schwarz("schwarz promote knwn")[2]
    number, _, err = schwarz("schwarz promote known/7")
    assert number == 2
    assert "known/7: no such version of 'known'. There are: 1." in err
    number, _, err = schwarz("schwarz rollback known")
    assert number == 2
    assert "nothing was promoted" in err
    assert schwarz("schwarz models knwn")[0] == 2


def test_a_model_that_was_changed_behind_the_registry_is_not_published(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]
) -> None:
    register(place, "changed", wrong=100)
    (file,) = (path for path in place.rglob("model.onnx") if "store" not in path.parts and _of(client, path, "changed"))
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + b"x")
    number, _, err = schwarz("schwarz promote changed")
    assert number == 1
    assert "models:/changed/1: its model.onnx is missing, or not what was registered" in err
    assert not (place / "runs" / "store" / "models" / "changed").exists()


def test_a_promotion_that_was_cut_short_behind_the_pointer_is_begun_again(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]
) -> None:
    """What is served is what a challenger must beat, whatever the alias says."""
    for scale, wrong in enumerate((100, 10, 50), 1):
        register(place, "cut", wrong=wrong, scale=scale)
    assert schwarz("schwarz promote cut/1")[0] == 0
    assert schwarz("schwarz promote cut/2")[0] == 0
    client.set_registered_model_alias("cut", "champion", "1")  # as if the last step had not been taken
    assert schwarz("schwarz promote cut/3")[0] == 1  # better than 1, not than 2
    number, out, _ = schwarz("schwarz promote cut/2")
    assert number == 0
    assert out.startswith("models:/cut/2 is the champion: it is already, and is published again.")
    assert aliases(client, "cut")["champion"] == "2"


def _of(client: mlflow.MlflowClient, path: Path, name: str) -> bool:
    source = client.get_model_version(name, "1").source or ""
    return source.rpartition("/")[2] in str(path)


def test_rolling_back_to_a_named_version(place: Path, schwarz: Callable[[str], Told]) -> None:
    for wrong in (300, 200, 100):
        register(place, "named", wrong=wrong, scale=wrong)
        assert schwarz("schwarz promote named")[0] == 0
    line = EXAMPLES["rollback"][1].replace("tiny", "named")
    assert schwarz(line) == (0, "models:/named/1 is the champion again, after 3.\n", "")
    assert pointer(place, "named")["before"] == []


def test_what_is_served_and_gone_from_mlflow_is_not_given_up_unasked(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]
) -> None:
    for scale, wrong in enumerate((100, 10), 1):
        register(place, "gone", wrong=wrong, scale=scale)
        assert schwarz("schwarz promote gone")[0] == 0
    client.delete_model_version("gone", "2")
    register(place, "gone", wrong=400, scale=3)
    assert aliases(client, "gone") == {"challenger": "3"}
    for which in ("gone", "gone/1"):
        number, _, err = schwarz(f"schwarz promote {which}")
        assert number == 1
        assert "gone: version 2 is served, of which MLflow has nothing, or another model under its number" in err
    assert pointer(place, "gone")["version"] == "2"
    assert schwarz("schwarz promote gone/3 --force")[0] == 0
    number, out, _ = schwarz("schwarz rollback gone")
    assert (number, pointer(place, "gone")["version"]) == (0, "2")
    assert "MLflow has no version 2 of gone any more: its alias stays where it is." in out
    _, out, _ = schwarz("schwarz models gone")
    assert out.endswith("gone: version 2 is served, the alias champion names 3: MLflow has it no more.\n")


def test_a_rollback_needs_no_mlflow_and_what_is_astray_is_told(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    for scale, wrong in enumerate((300, 200, 100), 1):
        register(place, "alone", wrong=wrong, scale=scale)
        assert schwarz("schwarz promote alone")[0] == 0
    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
        number, out, err = schwarz("schwarz rollback alone")
    assert (number, out) == (1, "models:/alone/2 is the champion again, after 3.\n")
    assert "models:/alone/2 is the champion and is served, but MLflow was not told: " in err
    assert pointer(place, "alone")["version"] == "2"
    _, out, _ = schwarz("schwarz models alone")
    assert "alone: version 2 is served, the alias champion names 3: " in out
    assert "promote alone/2 mends it." in out
    assert schwarz("schwarz promote alone/2")[0] == 0
    assert aliases(client, "alone") == {"champion": "2"}
    assert "alias champion names" not in schwarz("schwarz models alone")[1]


def test_what_was_taken_back_is_not_promoted_unasked_and_numbers_outlive_a_repetition(
    place: Path, client: mlflow.MlflowClient, schwarz: Callable[[str], Told]
) -> None:
    for scale, wrong in enumerate((300, 100), 1):
        register(place, "back", wrong=wrong, scale=scale)
        assert schwarz("schwarz promote back")[0] == 0
    measured = client.get_model_version("back", "2").tags["gate.difference"]
    assert schwarz("schwarz promote back")[1].startswith("models:/back/2 is the champion: it is already, and is")
    assert client.get_model_version("back", "2").tags["gate.difference"] == measured
    assert schwarz("schwarz rollback back")[0] == 0
    assert schwarz("schwarz promote back")[1].startswith("models:/back/1 is the champion: it is already")
    assert schwarz("schwarz promote back/2")[0] == 0
    tags = client.get_model_version("back", "2").tags
    assert ("gate.withdrawn" in tags, tags["gate.difference"]) == (False, measured)


def test_a_model_that_takes_other_images_is_refused(place: Path, schwarz: Callable[[str], Told]) -> None:
    register(place, "form", wrong=300)
    assert schwarz("schwarz promote form")[0] == 0
    run = begin(place / "runs" / "form" / "2")
    asked = [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, 1, 4])]
    given = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 4])]
    nodes = [helper.make_node("Cast", ["images"], ["f"], to=1), helper.make_node("Flatten", ["f"], ["probabilities"])]
    file, right = graph(run.path / "m.onnx", nodes, asked, given, []), np.ones(challengers.N, bool)
    record = {GATE: json.dumps(Examined.of("a" * 32, challengers.Y, right).to_json())}
    entry = Entry(file, "form", {}, {}, ["a", "b", "c", "d"], record)
    images = np.zeros((2, 1, 1, 4), np.uint8)
    register_model(of_run(run), entry, images, f"sqlite:///{place}/runs/mlflow.db")
    number, out, _ = schwarz("schwarz promote form")
    assert number == 1
    assert (
        "it takes 'images', tensor(uint8) [1, 1, 4], and gives [4]; the champion 'images', tensor(uint8) [1, 2, 2],"
        in out
    )


def test_where_there_is_no_registry_none_is_made(
    tmp_path: Path, schwarz: Callable[[str], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    number, out, _ = schwarz("schwarz models")
    assert number == 0
    assert "No models are registered" in out
    number, _, err = schwarz("schwarz promote tiny")
    assert number == 2
    assert "MLFLOW_TRACKING_URI names" in err
    assert list(tmp_path.iterdir()) == []
