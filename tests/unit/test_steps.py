"""The frame around every step: sections, whole inputs, reuse, failure."""

import pickle
from pathlib import Path

import pytest

from schwarz.config import Config, Training
from schwarz.errors import Diverged, StepFailed, WrongInput, WrongSetting
from schwarz.files import read_json, write_atomic, write_json
from schwarz.images import MANIFEST
from schwarz.journal import read
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.steps.follow import as_told
from schwarz.steps.frame import DONE, Metrics, step, whole
from schwarz.steps.train_local import networks

calls: list[Training] = []


@step("making {number}")
def make(local: Training, *, number: int, out: Path) -> Metrics:
    calls.append(local)
    if number < 0:
        raise WrongInput(f"number = {number}: at least 0.")
    write_atomic(out / "made.txt", str(number))
    return {"number": float(number)}


@step("use", part="second")
def use(*, made: Path, out: Path) -> Metrics:
    write_atomic(out / "used.txt", (made / "made.txt").read_text())
    return {}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    calls.clear()
    monkeypatch.setenv("SCHWARZ_RUN", str(tmp_path))
    return tmp_path


def events(run: Path) -> list[str]:
    return [event["event"] for event in read(run / "logs" / "journal")]


def test_a_section_may_come_as_a_json_string(run: Path):
    make(local='{"epochs": 3}', number=1, out=run / "steps" / "make")
    assert calls == [Training(epochs=3)]


def test_a_finished_step_is_not_done_again_even_into_another_folder(run: Path):
    first = make(local=Training(), number=1, out=run / "a")
    again = make(local=Training(), number=1, out=run / "b")
    assert len(calls) == 1
    assert first == again
    assert whole(run / "b")
    assert events(run) == ["start", "done", "start", "reused"]


@pytest.mark.parametrize(
    ("boxes", "pods", "titles"),
    [
        (4, 1, ["local 0-3"]),
        (4, 2, ["local 0, 2", "local 1, 3"]),
        (4, 4, ["local 0", "local 1", "local 2", "local 3"]),
        (1, 1, ["local 0"]),
        (9, 4, ["local 0, 4, 8", "local 1, 5", "local 2, 6", "local 3, 7"]),
        (16, 2, ["local 0, 2..14", "local 1, 3..15"]),
    ],
)
def test_a_pod_is_called_by_its_networks(run: Path, boxes: int, pods: int, titles: list[str]):
    write_json(run / "shards" / MANIFEST, {"uri": "", "sha256": {}, "plan": {"boxes": [[]] * boxes}, "counts": {}})
    assert [networks(shards=run / "shards", pod=pod, pods=pods, local="") for pod in range(pods)] == titles


@step(lambda *, number, **_: f"{number} made", part="{number}")
def count(*, number: int, out: Path) -> Metrics:
    write_atomic(out / "made.txt", str(number))
    return {}


def test_a_reused_step_has_the_title_of_a_new_one(run: Path):
    for _ in range(2):
        count(number=3, out=run / "a")
    assert events(run) == ["start", "done", "start", "reused"]
    assert [event["title"] for event in read(run / "logs" / "journal") if "title" in event] == ["3 made"] * 2
    assert (run / "logs" / "journal" / "count-3.jsonl").exists()


@pytest.mark.parametrize("change", [{"number": 2}, {"local": Training(epochs=9)}])
def test_another_argument_is_another_result(run: Path, change: dict):
    make(local=Training(), number=1, out=run / "a")
    make(**({"local": Training(), "number": 1, "out": run / "b"} | change))
    assert len(calls) == 2


def test_a_damaged_result_is_made_anew(run: Path):
    make(local=Training(), number=1, out=run / "a")
    (run / "steps" / "make" / "made.txt").write_text("7")
    make(local=Training(), number=1, out=run / "b")
    assert len(calls) == 2
    assert (run / "b" / "made.txt").read_text() == "1"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_mark_of_the_end_is_no_end(run: Path, content: str):
    make(local=Training(), number=1, out=run / "a")
    (run / "steps" / "make" / DONE).write_text(content)
    assert not whole(run / "steps" / "make")
    make(local=Training(), number=1, out=run / "b")
    assert whole(run / "steps" / "make")


def test_an_input_that_is_not_whole_is_refused(run: Path):
    make(local=Training(), number=1, out=run / "a")
    (run / "a" / DONE).unlink()
    with pytest.raises(StepFailed, match=r"input 'made' .* is not whole"):
        use(made=run / "a", out=run / "b")


def test_a_change_of_an_input_is_another_result(run: Path):
    for number in (1, 2):
        make(local=Training(), number=number, out=run / f"a{number}")
        use(made=run / f"a{number}", out=run / "b")
        assert (run / "steps" / "use" / "second" / "used.txt").read_text() == str(number)


def test_a_failure_leaves_its_cause_and_no_result(run: Path):
    with pytest.raises(WrongInput):
        make(local=Training(), number=-1, out=run / "a")
    told = read_json(run / "a" / "error.json")
    assert told["error"] == "number = -1: at least 0."
    assert told["status"] == 2
    assert told["resumable"]
    assert Path(told["log"]).read_text() == "number = -1: at least 0.\n"
    assert events(run) == ["start", "failed"]
    assert not whole(run / "steps" / "make")


FAULTS = ZeroDivisionError("odd"), WrongSetting("coarse.folds = 5: too many")
FAULTS[1].add_note("In a worker process:\nTraceback")


@step("break")
def break_(*, number: int, out: Path) -> Metrics:
    raise FAULTS[number]


def test_the_log_says_where_only_of_what_nobody_foresaw(run: Path):
    logs = ["Traceback (most recent call last):\n", "coarse.folds = 5: too many\nIn a worker process:\nTraceback\n"]
    for number, (fault, log) in enumerate(zip(FAULTS, logs, strict=True)):
        with pytest.raises(type(fault)):
            break_(number=number, out=run / str(number))
        told = read_json(run / str(number) / "error.json")
        assert Path(told["log"]).read_text().startswith(log)
        assert told["resumable"] is (number == 0)


def test_a_lost_loss_is_told_with_the_flag_of_its_section(run: Path):
    def lose(section: str) -> None:
        with as_told(section):
            raise Diverged(1e30, "the loss became nan in epoch 1, also at 1.25e+29, the third retry")

    with pytest.raises(Diverged) as fault:
        lose("local")
    assert str(fault.value) == (
        "local.lr = 1e+30: the loss became nan in epoch 1, also at 1.25e+29, the third retry: "
        "a run with a lower `--local.lr`"
    )
    assert str(pickle.loads(pickle.dumps(fault.value))) == str(fault.value)  # noqa: S301  # as from a worker process


def test_a_section_that_is_wrong_is_told_like_any_other_failure(run: Path):
    with pytest.raises(WrongInput, match=r"local: epochs = 0: .*greater than or equal to 1"):
        make(local='{"epochs": 0}', number=1, out=run / "a")
    assert events(run) == ["start", "failed"]


@step("again", fresh=True)
def again(*, out: Path) -> Metrics:
    calls.append(Training())
    return {}


def test_a_fresh_step_is_done_in_every_run(run: Path):
    for _ in range(2):
        again(out=run / "steps" / "again")
    assert len(calls) == 2


def test_where_a_run_happens_is_no_part_of_a_results_key(run: Path):
    @step("whole")
    def all_of_it(config: Config, *, out: Path) -> Metrics:
        calls.append(config.local)
        return {}

    for pods in (1, 2):
        all_of_it(config=override(preset("tiny"), {"place.pods": pods}), out=run / "steps" / "all_of_it")
    assert len(calls) == 1


def test_in_a_pod_the_journal_lies_in_its_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCHWARZ_SCRATCH", str(tmp_path / "scratch"))
    make(local=Training(), number=1, out=tmp_path / "made")
    assert whole(tmp_path / "made")
    assert events(tmp_path / "scratch") == ["start", "done"]
