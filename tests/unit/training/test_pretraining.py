"""`transfer.pretrain`: the coherent model starts from local networks that it trains itself, so many epochs, and has
their cost; what is cut off in either part goes on to the same bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from schwarz.augmentation import training_box
from schwarz.blueprint import NETWORK, load_divided, planned
from schwarz.config import Transfer
from schwarz.files import read_json
from schwarz.images import Shards, load
from schwarz.journal import Journal, read
from schwarz.runs import RunFolder
from schwarz.seeds import derive
from schwarz.steps.train_coherent import train_transfer
from schwarz.training import Member, fit, fit_in_step
from tests.unit import trained_run

BOXES, PRETRAIN, EPOCHS = 4, 3, 2
CHANGES = {
    "strategies": ["transfer"], "local.epochs": 1, "local.engine": "stacked",
    "transfer.epochs": EPOCHS,
}  # fmt: skip
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run as far as to its trained local networks."""
    with pytest.MonkeyPatch.context() as patch:
        return trained_run.make(tmp_path_factory.mktemp("run") / "run", patch, **CHANGES)


Step = Callable[[Path, int | None], State]


@pytest.fixture
def transfer(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Step:
    """The step, in a pod of its own: the weights that it leaves."""
    monkeypatch.delenv("SCHWARZ_RUN", raising=False)

    def made(out: Path, pretrain: int | None) -> State:
        monkeypatch.setenv("SCHWARZ_SCRATCH", str(out.parent))
        c = run.config
        section = c.transfer.model_copy(update={"pretrain": pretrain})
        given = {"network": c.network, "augment": c.augment, "local": c.local, "coarse": c.coarse, "transfer": section}
        folders = {"images": run.steps / "prepare_data", "shards": run.steps / "split"}
        train_transfer(seed=0, **given, **folders, locals_=[run.steps / "train_local" / "0"], out=out)
        return load_divided(out).state_dict()

    return made


def same(one: State, other: State) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def by_hand(run: RunFolder) -> State:
    """What the step should do, written down once more."""
    c, shards = run.config, run.steps / "split"
    blueprint, cut, seed = planned(shards, c.network), Shards.read(shards), derive(0, "pretrain")
    fresh = blueprint.local_networks(seed)
    members = [
        Member(
            blueprint.on_box(local, k), training_box(cut, k, c.augment, seed), cut.box(k, "validation"),
            derive(seed, "local", k),
        )
        for k, local in enumerate(fresh)
    ]  # fmt: skip
    fit_in_step(members, c.local.model_copy(update={"epochs": PRETRAIN}))
    model = blueprint.divided(fresh, blueprint.coarse_net(c.coarse.hidden, derive(0, "transfer")))
    train, validation = (load(run.steps / "prepare_data", part) for part in ("train", "validation"))
    fit(model, c.transfer, train, validation, derive(0, "transfer"))
    return model.state_dict()


def test_it_starts_from_networks_of_its_own_and_tells_so(run: RunFolder, transfer: Step, tmp_path: Path) -> None:
    own, others = transfer(tmp_path / "own", PRETRAIN), transfer(tmp_path / "others", None)
    assert same(own, by_hand(run))
    assert not same(own, others)
    assert {name: read_json(tmp_path / name / NETWORK)["pretrain"] for name in ("own", "others")} == {
        "own": PRETRAIN,
        "others": None,
    }


def events_of(out: Path) -> list[dict[str, Any]]:
    return [event for event in read(out.parent / "logs" / "journal") if event["event"] == "metric"]


def pretraining_s(out: Path) -> float:
    """CPU-seconds of all its local networks, as they were told after the last epoch of each."""
    last = {event["run"]: event["metrics"]["cpu_s"] for event in events_of(out) if event["run"].startswith("pre")}
    assert len(last) == BOXES
    return sum(last.values())


def test_the_cost_of_its_networks_is_in_its_history(transfer: Step, tmp_path: Path) -> None:
    """So many epochs of pretraining that the first of the whole costs less."""
    many = 20
    transfer(tmp_path / "out", many)
    before = [event for event in events_of(tmp_path / "out") if event["run"].startswith("pretrained local")]
    assert len(before) == BOXES * many
    history = read_json(tmp_path / "out" / "history.json")
    assert len(history["cpu_s"]) == EPOCHS
    assert history["cpu_s"][0] > pretraining_s(tmp_path / "out") > history["cpu_s"][1] - history["cpu_s"][0]


class Cut(Exception):  # no error: a kill
    """The step is cut off."""


@pytest.mark.parametrize("after", [BOXES + 2, BOXES * PRETRAIN + 1])
def test_cut_off_while_pretraining_or_later_it_goes_on_to_the_same_bytes(
    transfer: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    expected, write, heard = transfer(tmp_path / "whole" / "out", PRETRAIN), Journal.write, 0

    def cut(journal: Journal, event: str, **fields: Any) -> None:
        nonlocal heard
        write(journal, event, **fields)
        heard += event == "metric"
        if event == "metric" and heard == after:
            raise Cut

    out = tmp_path / "cut" / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", cut)
        with pytest.raises(Cut):
            transfer(out, PRETRAIN)
    first = len(events_of(out))
    assert same(transfer(out, PRETRAIN), expected)
    again = events_of(out)[first:]
    assert len(again) < BOXES * PRETRAIN + EPOCHS  # what was done is not done again
    assert read_json(out / "history.json")["cpu_s"][0] > pretraining_s(out)


def test_no_epochs_are_no_pretraining() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Transfer(pretrain=0)
