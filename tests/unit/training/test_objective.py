"""Any task: regressions and autoencoders are trained as classifiers are, alone or in step, and what they were trained
for composes (document 3, section 2.4)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from schwarz import Partition, compose, decompose, verify
from schwarz.coherent import Preprocess, Whole
from schwarz.config import Local, Training
from schwarz.images import Labelled
from schwarz.networks import initialise, vgg9
from schwarz.networks.dense import autoencoder
from schwarz.task import Task
from schwarz.training import Checkpoints, Member, fit, fit_in_step, fleets, predict, unlabelled
from schwarz.training.engine import Engine
from schwarz.training.objective import OBJECTIVES, squared_error
from schwarz.training.stacking import Unstackable, stacked
from tests.unit.training.examples import gap, same_bytes

SHAPE, TARGETS, MEMBERS = (3, 16, 16), 2, 3


def regressor() -> nn.Module:
    return vgg9(SHAPE, TARGETS, width=4)


def on_vectors() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, TARGETS))


def dense() -> nn.Module:
    return autoencoder((3, 4, 4), dense=8, code=3)


def raw() -> nn.Module:
    return Whole(Preprocess(1, np.array([0.2, 0.4, 0.6]), (0.5, 0.6, 0.7), 2), autoencoder((3, 6, 6), dense=8, code=3))


def maps() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1))


def upward() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2, 2))


def sequences() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 4))


CASES: dict[str, tuple[Task, Callable[[], nn.Module], tuple[int, ...]]] = {
    "regression": (Task.REGRESSION, regressor, SHAPE),
    "regression of vectors": (Task.REGRESSION, on_vectors, (12,)),
    "dense autoencoder": (Task.AUTOENCODER, dense, (3, 4, 4)),
    "autoencoder of raw images": (Task.AUTOENCODER, raw, (3, 4, 4)),
    "convolutional autoencoder": (Task.AUTOENCODER, maps, (3, 8, 8)),
    "autoencoder of sequences": (Task.AUTOENCODER, sequences, (6, 4)),
}


def inputs(shape: tuple[int, ...], seed: int, n: int = 48) -> Labelled:
    """Noise, and as targets two means over parts of it."""
    x = np.random.default_rng(seed).normal(size=(n, *shape))
    flat = x.reshape(n, -1)
    half = flat.shape[1] // 2
    return Labelled(x, np.stack([flat[:, :half].mean(1), flat[:, half:].mean(1)], 1) * half**0.5)


def members(name: str) -> list[Member]:
    task, make, shape = CASES[name]
    return [
        Member(initialise(make(), k).double(), inputs(shape, k), inputs(shape, 50 + k, 20), seed=k, task=task)
        for k in range(MEMBERS)
    ]


@pytest.mark.parametrize("name", CASES)
def test_five_steps_of_a_fleet_are_five_steps_of_each_member(name: str) -> None:
    """In float64, with a rate for each that changes from step to step."""
    task, make, shape = CASES[name]
    networks = [initialise(make(), k).double() for k in range(MEMBERS)]
    together = Engine([initialise(make(), k).double() for k in range(MEMBERS)], Training(), objective=OBJECTIVES[task])
    alone = [Engine([network], Training(), objective=OBJECTIVES[task]) for network in networks]
    for step in range(5):
        taken = [inputs(shape, 10 * step + k, 8) for k in range(MEMBERS)]
        x, y = [torch.from_numpy(each.x) for each in taken], [torch.from_numpy(each.y) for each in taken]
        rates = [1e-4 * (1 + k) / (1 + step) for k in range(MEMBERS)]
        losses, _ = together.step(x, y, rates)
        for k, engine in enumerate(alone):
            loss, _ = engine.step([x[k]], [y[k]], [rates[k]])
            torch.testing.assert_close(losses[k : k + 1], loss, rtol=0, atol=1e-10)
    for k, engine in enumerate(alone):
        mine, theirs = together.state(k), engine.state(0)
        for key in engine.trained:
            matters = theirs[f"{key}.second"].sqrt() > 1e-8  # BatchNorm cancels the biases before it
            torch.testing.assert_close(mine[key][matters], theirs[key][matters], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["regression", "dense autoencoder"])
def test_plateaus_ends_and_best_epochs_of_a_fleet_are_those_of_each_and_go_by_the_validation_loss(name: str) -> None:
    training = Training(epochs=9, batch=16, lr=1e-2, schedule="constant", plateau=1, stop_after=2)
    together, alone = members(name), members(name)
    fit_in_step(together, training)
    for one, other in zip(together, alone, strict=True):
        fit_in_step([other], training)
        losses = one.history.validation_loss
        assert losses == pytest.approx(other.history.validation_loss, abs=1e-9)
        assert gap(one, other) < 1e-9
        assert losses[one.history.best] == min(losses)
        assert one.history.train_accuracy == one.history.validation_accuracy == []
    ends = [(len(each.history.epoch), each.history.best) for each in together]
    assert any(length == best + 3 for length, best in ends)  # one of them has ended early


def test_the_loss_of_an_autoencoder_is_that_of_what_its_network_sees() -> None:
    task, make, shape = CASES["autoencoder of raw images"]
    model, x = make().double(), inputs(shape, 0, 20).x
    assert isinstance(model, Whole)
    seen = model.preprocess(torch.from_numpy(x))
    expected = (model.network(seen) - seen.flatten(1)).square().mean().detach()
    history = fit(model, Training(epochs=1, batch=20, lr=1e-12), unlabelled(x), unlabelled(x), 0, task=task)
    assert history.train_loss[0] == pytest.approx(float(expected))
    assert history.validation_loss[0] == pytest.approx(float(expected))


def test_targets_may_have_any_shape_of_as_many_values() -> None:
    """[n] against [n, 1] would be the differences of all pairs."""
    answers = torch.tensor([[1.0], [2.0], [4.0]])
    assert float(squared_error(answers, torch.tensor([1, 2, 1]))) == 3.0
    with pytest.raises(ValueError, match=r"targets \(3, 2\) for answers \(3, 1\): one for each"):
        squared_error(answers, torch.zeros(3, 2))


def test_a_task_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="task 'ranking' is none of classification, regression, autoencoder"):
        fit(on_vectors(), Training(), inputs((12,), 0), None, 0, task="ranking")


def test_members_are_trained_in_step_with_those_of_their_task_alone() -> None:
    some = members("dense autoencoder")
    some[1].task = Task.REGRESSION
    some[1].train = Labelled((x := inputs((3, 4, 4), 1).x), x.reshape(48, -1))
    assert fleets(some, Local(engine="stacked", batch=8)) == [[0, 2], [1]]


def test_networks_that_grow_their_maps_are_trained_one_after_the_other() -> None:
    with pytest.raises(Unstackable, match="a ConvTranspose2d"):
        stacked([upward(), upward()])
    each = [Member(upward().double(), inputs((3, 8, 8), k), None, k, task=Task.AUTOENCODER) for k in range(2)]
    assert fleets(each, Local(engine="stacked", batch=8)) == [[0], [1]]
    fit_in_step(each[:1], Local(epochs=3, batch=8, lr=1e-2))
    assert each[0].history.train_loss[2] < each[0].history.train_loss[0]


def test_normalisation_behind_a_dense_layer_is_named() -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))

    with pytest.raises(Unstackable, match="the layer '1', a BatchNorm1d behind a dense one"):
        stacked([network(), network()])


class Cut(Exception):  # no error: a kill
    """The training is cut off."""


@pytest.mark.parametrize("name", ["regression of vectors", "autoencoder of raw images"])
def test_what_was_cut_off_goes_on_to_the_same_bytes(tmp_path: Path, name: str) -> None:
    def cut(epoch: int, figures: dict[str, float]) -> None:
        if epoch == 2:
            raise Cut

    training, kept = Training(epochs=4, batch=16, lr=1e-2, plateau=1), Checkpoints(tmp_path, {})
    first, resumed, whole = members(name), members(name), members(name)
    first[1].on_epoch = cut
    with pytest.raises(Cut):
        fit_in_step(first, training, kept)
    fit_in_step(resumed, training, kept)
    fit_in_step(whole, training)
    for one, other in zip(resumed, whole, strict=True):
        assert same_bytes(one.model, other.model)
        assert one.history.validation_loss == other.history.validation_loss


PART = Partition.grid((16, 16), (2, 2), overlap=2)


def bright(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright square, whose place is to be found: x [n, 1, 16, 16], y [n, 2]."""
    generator = np.random.default_rng(seed)
    x, at = generator.normal(size=(n, 1, 16, 16)) / 10, generator.integers(0, 13, (n, 2))
    for image, (row, column) in zip(x, at, strict=True):
        image[:, row : row + 4, column : column + 4] += 1
    return x, at / 6 - 1


def finder() -> nn.Module:
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(392, 32), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(32, 2)).double()


def boxes_of(x: np.ndarray) -> list[np.ndarray]:
    return [box.numpy() for box in PART.split(torch.from_numpy(x))]


def trained_locals(module: nn.Module, x: np.ndarray, y: np.ndarray, task: Task, epochs: int) -> list[nn.Module]:
    """The local networks of a module, trained in step on their boxes."""
    parts = decompose(module, PART, x.shape[1:], task)
    each = [
        Member(initialise(local, k), Labelled(box, y), None, k, task=task)
        for k, (local, box) in enumerate(zip(parts, boxes_of(x), strict=True))
    ]
    fit_in_step(each, Training(epochs=epochs, batch=32, lr=1e-2))
    return parts


def test_a_composed_regression_is_the_mean_of_its_trained_locals_and_errs_no_more_than_they_on_average() -> None:
    (x, y), (unseen, targets), module = bright(256, 0), bright(128, 1), finder()
    parts = trained_locals(module, x, y, Task.REGRESSION, 8)
    compose(module, parts, PART, require="exact", task="regression")
    verdict = verify(module, parts, PART, torch.from_numpy(unseen), torch.from_numpy(targets), "regression")
    assert verdict.exact
    assert verdict.logit_gap < 1e-12
    mean = torch.stack([predict(local, box) for local, box in zip(parts, boxes_of(unseen), strict=True)]).mean(0)
    torch.testing.assert_close(predict(module, unseen), mean, rtol=0, atol=1e-12)
    assert verdict.bounds is not None
    assert all(bound.holds and bound.left < bound.right for bound in verdict.bounds)


def test_a_network_learns_a_regression() -> None:
    (x, y), (unseen, targets) = bright(512, 0), bright(128, 1)
    module = initialise(finder(), 0)
    fit(module, Training(epochs=12, batch=32, lr=3e-3), Labelled(x, y), Labelled(unseen, targets), 0, task="regression")
    assert float(squared_error(predict(module, unseen), torch.from_numpy(targets))) < 0.2 * targets.var()


def test_a_composed_autoencoder_puts_its_trained_locals_side_by_side() -> None:
    x, module = bright(128, 0)[0], autoencoder((1, 16, 16), dense=32, code=16).double()
    apart = Partition.grid((16, 16), (2, 2))
    parts = decompose(module, apart, (1, 16, 16), "autoencoder")
    split = [box.numpy() for box in apart.split(torch.from_numpy(x))]
    each = [
        Member(initialise(local, k), unlabelled(box), None, k, task=Task.AUTOENCODER)
        for k, (local, box) in enumerate(zip(parts, split, strict=True))
    ]
    (places,) = fleets(each, Local(engine="stacked", batch=32))
    fit_in_step([each[at] for at in places], Training(epochs=80, batch=32, lr=1e-2))
    for member, box in zip(each, split, strict=True):
        assert member.history.train_loss[-1] < 0.9 * box.var()  # what the mean image leaves is no reconstruction
    compose(module, parts, apart, require="exact", task="autoencoder")
    local = [predict(part, box).reshape(-1, 1, 8, 8) for part, box in zip(parts, split, strict=True)]
    whole: Tensor = apart.assemble(local)
    torch.testing.assert_close(predict(module, x).reshape(whole.shape), whole, rtol=0, atol=1e-12)
    verdict = verify(module, parts, apart, torch.from_numpy(x), task="autoencoder")
    assert verdict.bounds is not None
    assert verdict.bounds[0].holds
