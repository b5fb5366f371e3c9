"""Run folders: naming, identity, what is refused, two at once."""

from pathlib import Path

import pytest

from schwarz.errors import WrongInput
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import create, open_run

CONFIG = preset("tiny")


def test_runs_are_numbered_below_their_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert [create(CONFIG).name for _ in range(2)] == ["tiny-1", "tiny-2"]
    assert (tmp_path / "runs" / "tiny" / "2" / "INDEX.md").exists()


def test_a_run_is_found_again_as_it_was_made(tmp_path: Path):
    made = create(CONFIG, tmp_path / "r")
    assert open_run(tmp_path / "r") == made
    assert create(CONFIG, tmp_path / "r").uid == made.uid
    assert made.results() is None


def test_a_folder_of_another_run_is_refused_with_what_differs(tmp_path: Path):
    create(CONFIG, tmp_path / "r")
    with pytest.raises(WrongInput, match=r"another configuration \(local.epochs: 1, not 2\)"):
        create(override(CONFIG, {"local.epochs": 2}), tmp_path / "r")


def test_where_it_runs_does_not_make_another_run(tmp_path: Path):
    made = create(CONFIG, tmp_path / "r")
    moved = create(override(CONFIG, {"place.pods": 1}), tmp_path / "r")
    assert moved.uid == made.uid
    assert open_run(tmp_path / "r").config.place.pods == 1


def test_a_finished_run_was_made_where_it_was_made(tmp_path: Path):
    made = create(CONFIG, tmp_path / "r")
    (made.path / "results.json").write_text("{}")
    assert create(override(CONFIG, {"place.workers": 3}), tmp_path / "r") == made == open_run(tmp_path / "r")


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(WrongInput, match="holds something that is not a run"):
        create(CONFIG, tmp_path)


def test_a_folder_that_lost_its_identity_is_no_run(tmp_path: Path):
    (create(CONFIG, tmp_path / "r").path / "run.json").unlink()
    with pytest.raises(WrongInput, match=r"has no run.json"):
        open_run(tmp_path / "r")


def test_a_folder_whose_making_was_cut_short_is_taken(tmp_path: Path):
    made = create(CONFIG, tmp_path / "r")
    (made.path / "config.toml").unlink()
    assert create(CONFIG, tmp_path / "r").config == CONFIG


@pytest.mark.parametrize(("name", "message"), [("tinny", "Did you mean '.*/tiny'"), ("tiny", "has no config.toml")])
def test_what_is_not_a_run_is_refused(tmp_path: Path, name: str, message: str):
    (tmp_path / "tiny").mkdir()
    with pytest.raises(WrongInput, match=message):
        open_run(tmp_path / name)


def test_a_second_process_on_one_run_is_refused(tmp_path: Path):
    run = create(CONFIG, tmp_path / "r")
    with run.lock(), pytest.raises(WrongInput, match=r"process \d+ on .* runs it since"), run.lock():
        pass
    with run.lock():
        pass
