"""`runs`, and finding a run by what a person calls it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.cli.runs import find
from schwarz.errors import WrongInput
from schwarz.shell import command
from schwarz.tracking.ledger import Ledger

MLFLOW_ID = "0" * 32  # of the run in `run_folder`


def test_an_empty_folder_says_how_to_begin(checkout: Path, schwarz: Callable[..., Any]) -> None:
    told = schwarz("runs")
    assert told.status == 0
    assert "run quickstart" in told.out
    assert json.loads(schwarz("runs", "--json").out) == []


def test_a_run_is_listed_with_its_best_strategy(run_folder: Path, schwarz: Callable[..., Any]) -> None:
    (entry,) = json.loads(schwarz("runs", "--json").out)
    assert entry["run"] == "runs/tiny/1"
    assert (entry["state"], entry["best"], entry["test"], entry["chance"]) == ("finished", "coarse", 0.85, 0.1)
    header, line = schwarz("runs").out.splitlines()
    assert header.split() == ["run", "state", "best", "test", "chance"]
    assert line.split() == ["runs/tiny/1", "finished", "coarse", "0.850", "0.100"]


def test_runs_are_in_the_order_of_their_numbers(run_folder: Path, schwarz: Callable[..., Any]) -> None:
    from schwarz.presets import preset
    from schwarz.runs import create

    for number in (2, 10):
        create(preset("tiny"), Path(f"runs/tiny/{number}"))
    states = [(entry["run"], entry["state"]) for entry in json.loads(schwarz("runs", "--json").out)]
    assert states == [("runs/tiny/1", "finished"), ("runs/tiny/2", "stopped"), ("runs/tiny/10", "stopped")]


def test_a_reproduction_is_no_run_that_stopped(run_folder: Path, schwarz: Callable[..., Any]) -> None:
    (run_folder / "results.json").unlink()
    (run_folder / "reproduction.json").write_text("{}")
    assert json.loads(schwarz("runs", "--json").out)[0]["state"] == "reproduced"


def test_an_interrupted_step_is_no_failure(run_folder: Path, schwarz: Callable[..., Any]) -> None:
    from schwarz.journal import Journal

    (run_folder / "results.json").unlink()
    journal = Journal(run_folder / "logs" / "journal" / "split.jsonl", "split")
    journal.write("start", title="split")
    journal.write("failed", error="KeyboardInterrupt: ", log="x", status=1, interrupted=True)
    assert json.loads(schwarz("runs", "--json").out)[0]["state"] == "stopped"


def test_a_damaged_run_is_listed_as_such_and_hides_no_other(run_folder: Path, schwarz: Callable[..., Any]) -> None:
    for number, name in ((2, "results.json"), (3, "config.toml"), (4, "run.json")):
        shutil.copytree(run_folder, run_folder.parent / str(number))
        (run_folder.parent / str(number) / name).write_text("{")
    states = [entry["state"] for entry in json.loads(schwarz("runs", "--json").out)]
    assert states == ["finished", "damaged", "damaged", "damaged"]
    assert schwarz("runs").out.splitlines()[2].split() == ["runs/tiny/2", "damaged"]
    for line in (["resume", "tiny/2"], ["track", "sync", "tiny/2"]):
        told = schwarz(*line)
        assert told.status == 2
        assert f"{run_folder.parent / '2' / 'results.json'}: damaged" in told.last
        assert "Remove that file, then resume" in told.last


@pytest.mark.parametrize("content", ["", "[]", "{}", "nonsense"])
def test_a_run_whose_identity_is_lost_is_run_anew(run_folder: Path, schwarz: Callable[..., Any], content: str) -> None:
    (run_folder / "run.json").write_text(content)
    told = schwarz("resume", "tiny/1")
    assert told.status == 2
    again = command("run", "--config", "runs/tiny/1/config.toml")
    assert told.last.endswith(f"run.json: damaged. To run the same in a new folder: `{again}`.")


def test_a_run_is_found_by_folder_name_or_mlflow_id(run_folder: Path) -> None:
    for name in (str(run_folder), "runs/tiny/1", "tiny/1", MLFLOW_ID):
        assert find(name).path == run_folder
    (run_folder / "results.json").unlink()
    Ledger(run_folder, "http://another:5000").save()
    assert find(MLFLOW_ID).path == run_folder  # unfinished, and last sent elsewhere
    with pytest.raises(WrongInput, match=r"Did you mean 'runs/tiny/1'"):
        find("runs/tinny/1")
