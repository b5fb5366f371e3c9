"""`reproduce` before the work: what it reads of a run's folder, what it notices, what it refuses."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from schwarz.data import describe
from schwarz.document import document
from schwarz.files import read_json, sha256, tree, write_atomic, write_json
from schwarz.lineage import code, lineage, processor, versions
from schwarz.locks import locked
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.reproduction import Made, Record, choose_alike, made, model_as_of, others
from schwarz.runs import RunFolder, create
from tests.pipeline.graphs import model

Schwarz = Callable[..., Any]


def network(folder: Path, role: str, content: str, **more: Any) -> None:
    """What a step keeps of a network."""
    write_atomic(folder / "weights.safetensors", content)
    write_json(folder / "network.json", {"role": role, **more})


def done(step: Path) -> None:
    name, part = [*step.parts[step.parts.index("steps") + 1 :], ""][:2]
    files = {str(path.relative_to(step)): sha256(path) for path in tree(step)}
    write_json(step / "done.json", {"step": name, "part": part, "files": files})


@pytest.fixture
def run(checkout: Path) -> RunFolder:
    """A run of twelve local networks on two pods, of which one was trained in step; and traces of a third pod."""
    changes = {"partition.grid": [3, 4], "place.pods": 2, "network.width": 12}
    run = create(override(preset("tiny"), changes), checkout / "run")
    for pod in range(3):
        for k in range(pod, 12, 2):
            fleet = [k] if pod else list(range(0, 12, 2))
            folder = run.steps / "train_local" / str(pod) / f"box-{k}"
            network(folder, "local", f"{pod} {k}", box=k, together=fleet)
        done(run.steps / "train_local" / str(pod))
    network(run.steps / "train_coarse", "coarse", "coarse", device="cpu", in_step={"fold-0": [[0, 2], [1]]})
    done(run.steps / "train_coarse")
    write_json(run.steps / "begin" / "lineage.json", lineage(run.config, run.uid))
    write_atomic(run.steps / "export_onnx" / "coarse.onnx", "model")
    digest = sha256(run.steps / "export_onnx" / "coarse.onnx")
    write_json(
        run.steps / "export_onnx" / "model.json", {"strategy": "coarse", "file": "coarse.onnx", "sha256": digest}
    )
    done(run.steps / "export_onnx")
    return run


def test_every_network_is_named_once_and_pods_of_before_do_not_count(run: RunFolder, tmp_path: Path) -> None:
    found = made(run)
    assert list(found.networks) == ["coarse", *(f"local {k}" for k in range(12))]
    write_atomic(tmp_path / "weights", "0 10")
    assert found.networks["local 10"] == sha256(tmp_path / "weights")
    assert found.model["file"] == "coarse.onnx"
    assert found.damage == ()


def test_who_was_trained_in_step_is_known_and_laid_down_for_the_next_run(run: RunFolder, tmp_path: Path) -> None:
    found = made(run)
    apart = [[1], [3], [5], [7], [9], [11]]
    folds = {"train_coarse/fold-0": [[0, 2], [1]]}
    assert found.in_step == {"train_local-0": [[0, 2, 4, 6, 8, 10]], "train_local-1": apart} | folds
    again = create(run.config, tmp_path / "again")
    choose_alike(Record("", run.config, {}, found), again)
    chosen = again.path / "checkpoints" / f"train_local-1-{code()}" / "1-3-5-7-9-11"
    assert read_json(chosen / "fleets.json") == [[0], [1], [2], [3], [4], [5]]
    fold = again.path / "checkpoints" / f"train_coarse-{code()}" / "fold-0" / "0-1-2"
    assert read_json(fold / "fleets.json") == [[0, 2], [1]]


def test_workers_find_the_choice_of_their_own_networks(run: RunFolder, tmp_path: Path) -> None:
    found = Made({}, {}, {"train_local-0": [[0, 4], [2, 6], [8]]})
    again = create(override(run.config, {"place.workers": 2}), tmp_path / "again")
    choose_alike(Record("", run.config, {}, found), again)
    chosen = again.path / "checkpoints" / f"train_local-0-{code()}"
    assert read_json(chosen / "0-4-8" / "fleets.json") == [[0, 1], [2]]
    assert read_json(chosen / "2-6" / "fleets.json") == [[0, 1]]


def test_networks_that_other_workers_trained_in_step_are_made_again_by_one(run: RunFolder, tmp_path: Path) -> None:
    """As where a run was cut off, and resumed with more of them."""
    two = override(run.config, {"place.workers": 2})
    record = Record("", two, {}, Made({}, {}, {"train_local-0": [[0, 2, 4, 6]], "train_local-1": [[1, 5], [3]]}))
    assert record.again == override(two, {"place.workers": 1})
    again = create(record.again, tmp_path / "again")
    choose_alike(record, again)
    chosen = again.path / "checkpoints" / f"train_local-0-{code()}" / "0-2-4-6"
    assert read_json(chosen / "fleets.json") == [[0, 1, 2, 3]]
    assert Record("", two, {}, Made({}, {}, {"train_local-0": [[0, 4], [2]]})).again == two


def test_weights_that_changed_since_are_named_and_what_was_written_down_counts(run: RunFolder) -> None:
    before = made(run)
    one, other = (run.steps / "train_local" / "1" / f"box-{k}" / "weights.safetensors" for k in (3, 5))
    one.write_text("damaged")
    other.unlink()
    after = made(run)
    assert after.networks == before.networks
    assert [text.split(" is ")[0] for text in after.damage] == [str(one), str(other)]
    assert "is damaged: its sha256 is " in after.damage[0]
    assert "is gone" in after.damage[1]


def made_at(path: Path, commit: str) -> str:
    """The sha256 of a model, now that it names a commit."""
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {"boxes": "4", "commit": commit})
    write_atomic(path, graph.SerializeToString(deterministic=True))
    return sha256(path)


def test_a_model_is_compared_as_if_made_at_the_same_commit(run: RunFolder) -> None:
    path = model(run.steps / "export_onnx" / "coarse.onnx")
    recorded, found = (made_at(path, commit) for commit in ("there", "here"))
    assert recorded != found == sha256(path)
    assert model_as_of(run, "coarse.onnx", "there") == recorded
    assert model_as_of(run, "coarse.onnx", "elsewhere") not in (recorded, found)
    assert model_as_of(run, "global.onnx", "there") is None


def told(run: RunFolder, **there: Any) -> list[str]:
    origin = lineage(run.config, run.uid)
    record = Record("", run.config, origin | there, Made({}, {}))
    return [f"{other.cause}; {other.told}" for other in others(record)]


def test_what_is_as_it_was_is_no_word_worth(run: RunFolder) -> None:
    assert told(run) == []
    assert told(run, commit="f" * 40) == []  # a commit that changed nothing of the code


def test_other_code_versions_and_processors_are_told(run: RunFolder) -> None:
    (line,) = told(run, code="0" * 16, commit="f" * 40, dirty=False)
    assert line.startswith("other code; Warning: the code is not the same: commit ffffffffffff there, ")
    assert line.endswith(f"`git checkout {'f' * 40}` brings it back.")
    (line,) = told(run, code="0" * 16, commit="f" * 40, dirty=True)
    assert "commit ffffffffffff with changes that were not committed there" in line
    assert "git checkout" not in line
    (line,) = told(run, code=None, commit="f" * 40)
    assert "it is not known whether the code is the same" in line
    here = versions()
    assert told(run, versions=here | {"torch": "1.0", "kfp": "1.0"}) == [
        f"torch 1.0 there and {here['torch']} here; Note: torch 1.0 there and {here['torch']} here."
    ]
    (line,) = told(run, processor="Z80")
    assert line == f"another processor; Note: the processor there was Z80; here it is {processor()}."


def test_another_device_is_told(run: RunFolder) -> None:
    on_cpu = Record("", override(run.config, {"place.device": "cpu"}), lineage(run.config, run.uid), made(run))
    assert on_cpu.made.devices == ["cpu"]
    assert others(on_cpu) == []
    (other,) = others(replace(on_cpu, made=replace(on_cpu.made, devices=["cuda"])))
    assert other.told == "Note: place.device: cuda there and cpu here."
    assert other.cause in other.told


def test_a_device_that_is_not_here_is_refused_before_anything_is_made(
    run: RunFolder, schwarz: Schwarz, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # wherever this is tested
    monkeypatch.setenv("SCHWARZ_PROJECT", str(sample.parent))
    changes = {"place.device": "cuda", "data.md5": describe(sample.parent, "sample").md5}
    write_atomic(run.path / "config.toml", document(override(run.config, changes)))
    answer = schwarz("reproduce", "run", "--out", "again")
    assert answer.status == 2
    assert "place.device = 'cuda': " in answer.last
    assert not Path("again").exists()


def test_an_unfinished_run_is_to_be_resumed_and_a_running_one_waited_for(run: RunFolder, schwarz: Schwarz) -> None:
    (run.steps / "export_onnx" / "model.json").unlink()
    answer = schwarz("reproduce", "run")
    assert answer.status == 2
    assert f"{run.path}: is not finished: steps/export_onnx/model.json is missing. " in answer.last
    assert f"resume {run.path}" in answer.last
    with locked(run.logs / "lock"):
        assert "another process runs it now" in schwarz("reproduce", "run").last


@pytest.mark.parametrize("name", ["train_coarse/done.json", "begin/lineage.json", "train_coarse/network.json"])
def test_a_damaged_account_is_named(run: RunFolder, schwarz: Schwarz, name: str) -> None:
    (run.steps / name).write_text("{")
    answer = schwarz("reproduce", "run")
    assert answer.status == 2
    assert f"{run.steps / name}: damaged" in answer.last


def test_a_folder_that_holds_a_run_is_no_place_to_compare_it_in(
    run: RunFolder, schwarz: Schwarz, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHWARZ_PROJECT", str(sample.parent))
    finished = override(run.config, {"data.md5": describe(sample.parent, "sample").md5})
    write_atomic(run.path / "config.toml", document(finished))
    before = [(path, path.stat().st_mtime_ns) for path in tree(run.path)]
    answer = schwarz("reproduce", "run", "--out", "run")
    assert (answer.status, answer.last) == (2, "Error: --out run: holds a run. Choose an empty or new folder.")
    assert [(path, path.stat().st_mtime_ns) for path in tree(run.path)] == before


@pytest.mark.parametrize("name", ["models:/tiny", "models:tiny/1", "models:/a/b/1", "models:/tiny@", "models:/tiny/x"])
def test_how_a_model_is_named_is_shown(checkout: Path, schwarz: Schwarz, name: str) -> None:
    answer = schwarz("reproduce", name)
    assert answer.status == 2
    assert answer.last == f"Error: {name}: name a registered model as models:/NAME/VERSION or models:/NAME@champion."


def test_asking_makes_no_store(checkout: Path, schwarz: Schwarz) -> None:
    answer = schwarz("reproduce", "models:/tiny/1")
    assert answer.status == 2
    assert f"there is no MLflow at sqlite:///{checkout}/runs/mlflow.db" in answer.last
    assert not (checkout / "runs").exists()


def test_a_server_that_is_away_is_no_fault_of_the_name(
    checkout: Path, schwarz: Schwarz, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{gone.getsockname()[1]}")
    answer = schwarz("reproduce", "models:/tiny/1")
    assert answer.status == 1
    assert "does not answer" in answer.last
    assert "name the run's folder in place of models:/tiny/1" in answer.last
