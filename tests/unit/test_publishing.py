"""What servers find: whole versions and a pointer, whatever happens in between."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schwarz.errors import WrongInput
from schwarz.publishing import Champion, Overtaken, champion, fall_back, get, model_key, publish, standing, versions
from schwarz.storage import NoObject, Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def model(tmp_path: Path, content: str) -> Path:
    file = tmp_path / f"{content}.onnx"
    file.write_text(content)
    return file


def promoted(store: Store, tmp_path: Path, *numbers: str) -> Champion:
    """The last of them is the champion."""
    return [publish(store, "tiny", number, model(tmp_path, f"model {number}")) for number in numbers][-1]


def test_triton_finds_its_layout_and_the_pointer_names_the_champion(store: Store, tmp_path: Path) -> None:
    now = promoted(store, tmp_path, "1", "2")
    folder = tmp_path / "store" / "models" / "tiny"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == ["1/model.onnx", "2/model.onnx", "champion.json"]
    assert champion(store, "tiny") == now
    assert (now.version, now.before) == ("2", ("1",))
    get(store, now, tmp_path / "got.onnx")
    assert (tmp_path / "got.onnx").read_text() == "model 2"
    assert json.loads((folder / "champion.json").read_text())["sha256"] == now.sha256


def test_a_rollback_leads_back_and_takes_higher_versions_away(store: Store, tmp_path: Path) -> None:
    """Triton would go on serving the highest one."""
    promoted(store, tmp_path, "1", "2", "3")
    assert fall_back(store, "tiny").version == "2"
    assert versions(store, "tiny") == ["1", "2"]
    assert fall_back(store, "tiny").version == "1"
    with pytest.raises(WrongInput, match=r"version 1 is the first champion .* nothing to go back to"):
        fall_back(store, "tiny")


def test_a_rollback_to_a_named_version(store: Store, tmp_path: Path) -> None:
    promoted(store, tmp_path, "1", "2", "3")
    with pytest.raises(WrongInput, match=r"version 7 was never the champion\. There were: 2, 1"):
        fall_back(store, "tiny", "7")
    assert fall_back(store, "tiny", "1").before == ()
    with pytest.raises(WrongInput, match=r"version 1 is the first champion"):
        fall_back(store, "tiny")  # it would lead forward


def test_a_rollback_publishes_what_was_published_then_or_fetches_it(store: Store, tmp_path: Path) -> None:
    """A file system may keep no sums beside the files; a backup loses them."""
    promoted(store, tmp_path, "1", "2")
    damaged = tmp_path / "store" / "models" / "tiny" / "1" / "model.onnx"
    for spoil in (lambda: damaged.write_text("modal 1"), damaged.unlink):
        damaged.unlink(missing_ok=True)
        damaged.parent.mkdir(exist_ok=True)
        damaged.touch()
        spoil()
        with pytest.raises(WrongInput, match=r"1/model.onnx: is gone, or damaged. `schwarz promote tiny/1 --force`"):
            fall_back(store, "tiny")
        assert champion(store, "tiny") is not None
    now = fall_back(store, "tiny", fetch=lambda number: model(tmp_path, f"model {number}"))
    assert (now.version, damaged.read_text()) == ("1", "model 1")


def test_another_model_under_a_published_number_is_refused(store: Store, tmp_path: Path) -> None:
    """A store that two registries share, or one that was begun anew."""
    promoted(store, tmp_path, "1")
    before = standing(store, "tiny")
    with pytest.raises(WrongInput, match=r"1/model.onnx: is another model already, of another MLflow perhaps"):
        publish(store, "tiny", "1", model(tmp_path, "another"))
    assert standing(store, "tiny") == before


def test_no_folder_is_left_that_triton_would_take_for_a_version(store: Store, tmp_path: Path) -> None:
    promoted(store, tmp_path, "1", "2")
    fall_back(store, "tiny")
    folder = tmp_path / "store" / "models" / "tiny"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["1"]
    script = (
        "import os, sys, shutil; from pathlib import Path; from schwarz.storage import open_store\n"
        "shutil.copyfileobj = lambda *_: os._exit(9)\n"
        "open_store(sys.argv[1]).put(Path(sys.argv[2]), 'models/tiny/2/model.onnx')"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "store", model(tmp_path, "model 2")], check=False)
    assert killed.returncode == 9
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["1"]


def test_what_lies_beside_the_versions_is_passed_over(store: Store, tmp_path: Path) -> None:
    store.put(model(tmp_path, "somebody's"), "models/tiny/3-hot/model.onnx")
    promoted(store, tmp_path, "1", "2")
    assert fall_back(store, "tiny").version == "1"
    assert versions(store, "tiny") == ["1"]


def test_numbers_are_numbers(store: Store, tmp_path: Path) -> None:
    promoted(store, tmp_path, "2", "9", "10")
    assert versions(store, "tiny") == ["2", "9", "10"]
    assert fall_back(store, "tiny").version == "9"
    assert versions(store, "tiny") == ["2", "9"]


def test_a_reader_between_pointer_and_file_is_told(store: Store, tmp_path: Path) -> None:
    seen = promoted(store, tmp_path, "1", "2")
    fall_back(store, "tiny")
    with pytest.raises(NoObject):
        get(store, seen, tmp_path / "got.onnx")
    assert not (tmp_path / "got.onnx").exists()


def test_promotion_that_is_cut_short_leaves_the_old_champion(store: Store, tmp_path: Path) -> None:
    """The file is there, the pointer not yet: nobody is told of it."""
    before = promoted(store, tmp_path, "1")
    store.put(model(tmp_path, "model 2"), model_key("tiny", "2"))
    assert champion(store, "tiny") == before
    after = promoted(store, tmp_path, "2")
    assert champion(store, "tiny") == after
    assert (after.version, after.before) == ("2", ("1",))


@pytest.mark.parametrize("late", ["2", "9"])
def test_of_two_that_saw_the_same_champion_one_alone_takes_its_place(store: Store, tmp_path: Path, late: str) -> None:
    """The other leaves nothing that Triton would serve."""
    promoted(store, tmp_path, "1")
    seen = standing(store, "tiny")
    first = promoted(store, tmp_path, "3")
    with pytest.raises(
        Overtaken, match=r"tiny: another promotion or rollback came in between, .* `schwarz models tiny`"
    ):
        publish(store, "tiny", late, model(tmp_path, f"model {late}"), seen)
    assert champion(store, "tiny") == first
    assert versions(store, "tiny")[-1] == "3"
    assert publish(store, "tiny", late, model(tmp_path, f"model {late}")).before == ("3", "1")


def test_of_two_first_promotions_one_alone_is(store: Store, tmp_path: Path) -> None:
    nobody = standing(store, "tiny")
    promoted(store, tmp_path, "2")
    with pytest.raises(Overtaken):
        publish(store, "tiny", "1", model(tmp_path, "model 1"), nobody)
    assert promoted(store, tmp_path, "1").before == ("2",)


def test_the_same_version_twice_is_once_in_the_history(store: Store, tmp_path: Path) -> None:
    now = promoted(store, tmp_path, "1", "2", "2", "1")
    assert (now.version, now.before) == ("1", ("2",))


def test_nothing_published_and_a_broken_pointer(store: Store, tmp_path: Path) -> None:
    assert champion(store, "tiny") is None
    with pytest.raises(WrongInput, match="nothing was promoted"):
        fall_back(store, "tiny")
    pointer = tmp_path / "store" / "models" / "tiny" / "champion.json"
    pointer.parent.mkdir(parents=True)
    right = {"name": "tiny", "version": "1", "sha256": "0" * 64, "before": []}
    for wrong in ({}, [], {"name": "other"}, {"version": "3-hot"}, {"sha256": "short"}, {"before": [1]}, {"sums": 3}):
        pointer.write_text(json.dumps(right | wrong if isinstance(wrong, dict) and wrong else wrong))
        with pytest.raises(
            WrongInput,
            match=r"champion.json: is no pointer to a champion of this model. Remove it; `schwarz promote tiny`",
        ):
            champion(store, "tiny")
