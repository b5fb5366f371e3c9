"""`coarse.source = "out-of-fold"`: the longest training of all, fold by fold; what is cut off in the middle of one goes
on to the same bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.blueprint import NETWORK
from schwarz.files import read_json, sha256
from schwarz.journal import Event, Journal, read
from schwarz.runs import RunFolder
from schwarz.steps.train_coarse import train_coarse
from tests.unit import trained_run

BOXES, FOLDS, EPOCHS = 4, 3, 2
CHANGES = {
    "strategies": ["coarse"], "local.epochs": EPOCHS, "local.engine": "stacked", "coarse.source": "out-of-fold",
    "coarse.folds": FOLDS,
}  # fmt: skip
A_FOLD = BOXES * EPOCHS
"""Epochs that are told of a fold."""
Step = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run as far as to its trained local networks."""
    with pytest.MonkeyPatch.context() as patch:
        return trained_run.make(tmp_path_factory.mktemp("run") / "run", patch, **CHANGES)


@pytest.fixture
def coarse(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Step:
    """The step, in a pod of its own: sha256 of the weights that it leaves."""
    monkeypatch.delenv("SCHWARZ_RUN", raising=False)

    def made(out: Path, **local: Any) -> str:
        monkeypatch.setenv("SCHWARZ_SCRATCH", str(out.parent))
        c = run.config
        given = {"augment": c.augment, "coarse": c.coarse, "local": c.local.model_copy(update=local)}
        folders = {"images": run.steps / "prepare_data", "shards": run.steps / "split"}
        train_coarse(seed=0, **given, **folders, locals_=[run.steps / "train_local" / "0"], out=out)
        return sha256(out / "weights.safetensors")

    return made


class Cut(Exception):  # no error: a kill
    """The step is cut off."""


def epochs_of(out: Path) -> list[Event]:
    """Those of networks that are trained without a fold."""
    told = read(out.parent / "logs" / "journal")
    return [event for event in told if event["event"] == "metric" and event["run"].startswith("fold")]


def test_cut_off_in_the_middle_of_a_fold_it_goes_on_to_the_same_bytes(
    coarse: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, write, heard = coarse(tmp_path / "whole" / "out"), Journal.write, 0
    assert len(epochs_of(tmp_path / "whole" / "out")) == FOLDS * A_FOLD

    def cut(journal: Journal, event: str, **fields: Any) -> None:
        nonlocal heard
        write(journal, event, **fields)
        heard += event == "metric"
        if event == "metric" and heard == A_FOLD + BOXES + 1:
            raise Cut

    out = tmp_path / "cut" / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", cut)
        with pytest.raises(Cut):
            coarse(out)
    first = len(epochs_of(out))
    assert coarse(out) == expected
    again = epochs_of(out)[first:]
    assert {event["run"].split(" local")[0] for event in again} == {"fold 1", "fold 2"}
    assert len([event for event in again if event["run"].startswith("fold 1")]) == BOXES  # of its second epoch
    assert not list(tmp_path.rglob("fold-*"))  # what nobody needs any more


def test_the_cost_of_what_was_cut_off_is_in_its_history(coarse: Step, tmp_path: Path) -> None:
    coarse(tmp_path / "out")
    last = {event["run"]: event["metrics"]["cpu_s"] for event in epochs_of(tmp_path / "out")}
    assert len(last) == FOLDS * BOXES
    assert read_json(tmp_path / "out" / "history.json")["cpu_s"][0] > sum(last.values())


def test_a_fold_is_shared_out_to_processes(coarse: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = coarse(tmp_path / "one", engine="loop")
    monkeypatch.setenv("SCHWARZ_WORKERS", "2")
    assert coarse(tmp_path / "two", engine="loop") == expected
    assert coarse(tmp_path / "stacked") != expected
    told = {name: read_json(tmp_path / name / NETWORK)["in_step"] for name in ("two", "stacked")}
    assert told["two"] == {f"fold-{fold}": [[0], [1], [2], [3]] for fold in range(FOLDS)}
    assert told["stacked"] == {f"fold-{fold}": [[0, 2], [1, 3]] for fold in range(FOLDS)}
