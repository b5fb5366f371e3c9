"""Adam's moments: kept after the best epoch, begun with, composed into those of the composed network, carried over an
interruption."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from schwarz import Partition, compose, compose_moments, decompose
from schwarz.blueprint import blueprint_of, load_fleet, load_whole
from schwarz.config import Training, Tune
from schwarz.files import read_json, sha256
from schwarz.images import Labelled, load
from schwarz.networks import initialise
from schwarz.runs import RunFolder
from schwarz.seeds import derive
from schwarz.shares import fleet as folders
from schwarz.steps.compose import compose as compose_step
from schwarz.steps.place import place_of
from schwarz.steps.train_global import composed_moments, tune
from schwarz.training import MOMENTS, Checkpoints, Member, Moments, fit, fit_in_step
from schwarz.training.adam import BETAS
from tests.models import row_network
from tests.unit import trained_run
from tests.unit.training.examples import CLASSES, fleet, gap, same_bytes

STEADY = Training(epochs=6, batch=16, lr=3e-3, schedule="constant")


def keeping(members: list[Member]) -> list[Member]:
    for member in members:
        member.keeps_moments = True
    return members


def kept(member: Member) -> Moments:
    assert member.moments is not None
    return member.moments


def test_the_moments_that_are_kept_are_those_after_the_best_epoch() -> None:
    members = keeping(fleet(validate=True))
    fit_in_step(members, STEADY)
    assert any(member.history.best < 5 for member in members)
    for k, member in enumerate(members):
        until = keeping(fleet(validate=False))[k]
        fit_in_step([until], STEADY.model_copy(update={"epochs": member.history.best + 1}))
        assert kept(member).steps == kept(until).steps == 3 * (member.history.best + 1)
        for name, value in kept(member).values.items():
            torch.testing.assert_close(value, kept(until).values[name], rtol=0, atol=1e-9)


def smooth() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.Tanh(), nn.Linear(8, CLASSES))


def test_a_training_that_begins_with_them_goes_on_as_if_there_had_been_no_end() -> None:
    """In steps of all images, so that their order matters only to rounding."""
    training = STEADY.model_copy(update={"batch": 48})
    whole, first, fresh = keeping(fleet(1, smooth)), keeping(fleet(1, smooth)), fleet(1, smooth)
    fit_in_step(whole, training)
    for begun in (first, fresh):
        fit_in_step(begun, training.model_copy(update={"epochs": 2}))
    rest = training.model_copy(update={"epochs": 4})
    later = Member(first[0].model, first[0].train, None, 0, start=kept(first[0]), keeps_moments=True)
    fit_in_step([later], rest)
    fit(fresh[0].model, rest, fresh[0].train, None, 0)
    assert kept(later).steps == kept(whole[0]).steps == 6
    assert gap(later, whole[0]) < 1e-10
    assert gap(fresh[0], whole[0]) > 1e-3


def test_a_file_gives_them_back(tmp_path: Path) -> None:
    (member,) = keeping(fleet(1))
    fit_in_step([member], STEADY)
    kept(member).write(tmp_path / MOMENTS)
    read = Moments.read(tmp_path / MOMENTS)
    assert read.steps == 18
    assert read.values.keys() == kept(member).values.keys()
    assert all(torch.equal(value, kept(member).values[name]) for name, value in read.values.items())


class Cut(Exception):  # no error: a kill
    """The training is cut off."""


@pytest.mark.parametrize("epoch", [1, 3])
def test_what_began_with_moments_and_keeps_them_is_cut_off_and_goes_on_to_the_same_bytes(
    tmp_path: Path, epoch: int
) -> None:
    def begun() -> list[Member]:
        members = keeping(fleet(validate=True))
        for k, member in enumerate(members):
            values = {
                f"{name}.{kind}": torch.full_like(value, (1 + k) / 100)
                for name, value in member.model.named_parameters()
                for kind in ("first", "second")
            }
            member.start = Moments(70, values)
        return members

    def cut(reached: int, figures: dict[str, float]) -> None:
        if reached == epoch:
            raise Cut

    checkpoints, first, resumed, whole = Checkpoints(tmp_path, {}), begun(), begun(), begun()
    first[2].on_epoch = cut
    with pytest.raises(Cut):
        fit_in_step(first, STEADY, checkpoints)
    fit_in_step(resumed, STEADY, checkpoints)
    fit_in_step(whole, STEADY)
    for one, other in zip(resumed, whole, strict=True):
        assert same_bytes(one.model, other.model)
        assert kept(one).steps == kept(other).steps == 70 + 3 * (one.history.best + 1)
        assert all(torch.equal(value, kept(other).values[name]) for name, value in kept(one).values.items())


PART = Partition.grid((8,), (2,))


def rows(n: int) -> Labelled:
    generator = np.random.default_rng(0)
    return Labelled(generator.normal(size=(n, 1, 8)), generator.integers(0, 3, n))


def test_the_first_step_after_composing_is_that_of_each_local_network_from_its_own_moments() -> None:
    """In float64; the whole network in one step of all images."""
    module, data, lr = initialise(row_network(8), 0).double(), rows(32), 1e-3
    locals_ = [initialise(local, k) for k, local in enumerate(decompose(module, PART, (1, 8)))]
    split = [box.numpy() for box in PART.split(torch.from_numpy(data.x))]
    pairs = zip(locals_, split, strict=True)
    members = keeping([Member(local, Labelled(box, data.y), None, 0) for local, box in pairs])
    fit_in_step(members, Training(epochs=5, batch=16, lr=lr))
    optimizers = [torch.optim.Adam(local.parameters()) for local in locals_]
    for member, optimizer in zip(members, optimizers, strict=True):
        optimizer.state.update(kept(member).states(member.model.named_parameters()))
    compose(module, locals_, PART)
    twin, before = initialise(row_network(8), 1).double(), module.get_parameter("0.weight").detach().clone()
    twin.load_state_dict(module.state_dict())
    adam = torch.optim.Adam(twin.parameters(), lr=lr)
    compose_moments(adam, optimizers, twin, locals_, PART)
    start = Moments.of_states(adam.state, twin.named_parameters())
    fit(module, Training(epochs=1, batch=32, lr=lr, schedule="constant"), data, None, 0, start=start)

    twin.train()
    nn.functional.cross_entropy(twin(torch.from_numpy(data.x)), torch.from_numpy(data.y)).backward()
    gradient = twin.get_parameter("0.weight").grad
    assert gradient is not None
    for k, member in enumerate(members):
        mine, own = slice(2 * k, 2 * k + 2), kept(member).values
        first = BETAS[0] * own["0.weight.first"] + (1 - BETAS[0]) * gradient[mine]
        second = BETAS[1] * own["0.weight.second"] + (1 - BETAS[1]) * gradient[mine].square()
        steps = kept(member).steps + 1
        assert steps == 11
        change = first / (1 - BETAS[0] ** steps) / ((second / (1 - BETAS[1] ** steps)).sqrt() + 1e-8)
        after = module.get_parameter("0.weight")[mine]
        torch.testing.assert_close(after, before[mine] - lr * change, rtol=0, atol=1e-12)
    adam.step()
    for one, other in zip(module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run as far as to its composed network, its local networks trained for two epochs."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("run") / "run"
        run = trained_run.make(folder, patch, **{"strategies": ["composed"], "local.epochs": 2})
        at = partial(place_of, run.path)
        locals_ = [at("train_local", "0")]
        compose_step(compose=run.config.compose, images=at("prepare_data"), locals_=locals_, out=at("compose"))
    return run


def tuned(run: RunFolder, monkeypatch: pytest.MonkeyPatch, out: Path, section: Tune) -> Path:
    """What the step `tune` makes of the composed network of a run."""
    monkeypatch.delenv("SCHWARZ_RUN", raising=False)
    at = {name: run.steps / name for name in ("prepare_data", "compose", "train_local")}
    given = {"seed": 0, "augment": run.config.augment, "tune": section, "locals_": [at["train_local"] / "0"]}
    tune(**given, images=at["prepare_data"], composed=at["compose"], out=out)
    return out


def test_the_moments_of_local_networks_are_a_file_of_their_result(run: RunFolder) -> None:
    done = read_json(run.steps / "train_local" / "0" / "done.json")["files"]
    boxes = folders([run.steps / "train_local" / "0"])
    networks = load_fleet(boxes)
    for box in boxes:
        assert done[f"{box.name}/{MOMENTS}"] == sha256(box / MOMENTS)
        names = {f"{name}.{kind}" for name, _ in networks[0].named_parameters() for kind in ("first", "second")}
        moments, history = Moments.read(box / MOMENTS), read_json(box / "history.json")
        assert set(moments.values) == names
        assert moments.steps in (len(history["epoch"]) * 5, 5)  # 160 images in batches of 32, for one or two epochs


def test_tuning_begins_with_the_composed_moments_or_with_none(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, weights = Tune(epochs=1, batch=32, lr=1e-3), {}
    for how in ("fresh", "composed"):
        chosen = section.model_copy(update={"moments": how})
        weights[how] = load_whole(tuned(run, monkeypatch, tmp_path / how, chosen)).state_dict()
    plain = load_whole(run.steps / "compose")
    start = composed_moments(
        blueprint_of(run.steps / "compose"), plain.network, folders([run.steps / "train_local" / "0"])
    )
    assert start.steps in (5, 10)
    assert set(start.values) == {f"{n}.{kind}" for n, _ in plain.named_parameters() for kind in ("first", "second")}
    expected = {"fresh": None, "composed": start}
    for how, moments in expected.items():
        again = load_whole(run.steps / "compose")
        train, validation = (load(run.steps / "prepare_data", part) for part in ("train", "validation"))
        fit(again, section, train, validation, derive(0, "composed_tuned"), start=moments)
        assert all(torch.equal(value, weights[how][name]) for name, value in again.state_dict().items())
    assert any(not torch.equal(value, weights["fresh"][name]) for name, value in weights["composed"].items())
