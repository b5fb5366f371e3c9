"""A fleet trains each of its members as if it were alone: its rate, its best epoch, its end, its lost losses; and goes
on after an interruption as if there had been none."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from schwarz.config import Training
from schwarz.errors import Diverged, SchwarzError
from schwarz.images import Inputs, Labelled
from schwarz.networks.resnet import cifar_resnet
from schwarz.training import Checkpoints, Member, fit_in_step
from schwarz.training.fleet import Fleet
from tests.unit.training.examples import CLASSES, SHAPE, fleet, gap, images, same_bytes


def trained(members: list[Member], training: Training, checkpoints: Checkpoints | None = None) -> list[Member]:
    fit_in_step(members, training, checkpoints)
    return members


def each_alone(members: list[Member], training: Training) -> list[Member]:
    for member in members:
        fit_in_step([member], training)
    return members


def wide() -> nn.Module:
    """Wide enough that no two members share a group."""
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(7), nn.Flatten(),
                         nn.Linear(64, CLASSES))  # fmt: skip


def test_training_in_step_is_training_alone() -> None:
    training = Training(epochs=2, batch=16, lr=1e-3)
    for one, other in zip(trained(fleet(), training), each_alone(fleet(), training), strict=True):
        assert gap(one, other) < 1e-9
        assert one.history.train_loss == pytest.approx(other.history.train_loss, abs=1e-9)


def test_each_member_has_a_rate_of_its_own() -> None:
    """Plateaus come at other epochs for other members."""
    training = Training(epochs=6, batch=16, lr=1e-3, schedule="constant", plateau=1)
    together = trained(fleet(validate=True), training)
    alone = each_alone(fleet(validate=True), training)
    courses = {tuple(member.history.validation_accuracy) for member in together}
    assert len(courses) > 1  # or else all rates would be equal
    for one, other in zip(together, alone, strict=True):
        assert one.history.validation_loss == pytest.approx(other.history.validation_loss, abs=1e-8)
        assert gap(one, other) < 1e-8


def test_members_end_when_they_gain_nothing_and_the_others_go_on() -> None:
    training = Training(epochs=8, batch=16, lr=1e-3, schedule="constant", stop_after=3)
    together = trained(fleet(validate=True), training)
    alone = each_alone(fleet(validate=True), training)
    lengths = [len(member.history.epoch) for member in together]
    assert min(lengths) < max(lengths)
    assert lengths == [len(member.history.epoch) for member in alone]
    assert max(gap(one, other) for one, other in zip(together, alone, strict=True)) < 1e-8


class Cut(Exception):  # no error: a kill
    """The training is cut off."""


def cut_after(members: list[Member], k: int, epoch: int) -> list[Member]:
    """Members of which one stops it all when it is told of that epoch."""

    def told(reached: int, figures: dict[str, float]) -> None:
        if reached == epoch:
            raise Cut

    members[k].on_epoch = told
    return members


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_what_was_cut_off_goes_on_to_the_same_bytes(tmp_path: Path, epoch: int) -> None:
    training = Training(epochs=4, batch=16, lr=1e-3, plateau=1, stop_after=3)
    kept = Checkpoints(tmp_path, {"seed": 0})
    with pytest.raises(Cut):
        trained(cut_after(fleet(validate=True), 2, epoch), training, kept)
    told: list[int] = []
    resumed = fleet(validate=True)
    resumed[0].on_epoch = lambda reached, figures: told.append(reached)
    trained(resumed, training, kept)
    assert told == list(range(epoch, 5))
    for one, other in zip(resumed, trained(fleet(validate=True), training), strict=True):
        assert same_bytes(one.model, other.model)
        assert one.history.validation_loss == other.history.validation_loss


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    training, kept = Training(epochs=2, batch=16), Checkpoints(tmp_path, {})
    first = trained(fleet(), training, kept)
    again = trained(cut_after(fleet(), 0, 1), training, kept)
    assert all(same_bytes(one.model, other.model) for one, other in zip(first, again, strict=True))


class Lost:
    """Images that are no numbers when they are asked for the so-manieth time."""

    def __init__(self, images: Inputs, calls: range) -> None:
        self.images, self.calls, self.asked = images, calls, 0
        self.y, self.shape, self.nbytes = images.y, images.shape, images.nbytes

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        self.asked += 1
        return self.images.batch(at, epoch) * (np.nan if self.asked in self.calls else 1.0)


def losing(members: list[Member], k: int, calls: range) -> Iterator[str]:
    """Make a member lose its loss in those steps; what it is told of it."""
    told: list[str] = []
    members[k].train = Lost(members[k].train, calls)
    members[k].on_note = told.append
    return iter(told)


@pytest.mark.parametrize("make", [wide, lambda: cifar_resnet(SHAPE, CLASSES, width=16, n=1)])
def test_a_member_that_loses_its_loss_goes_on_alone_at_half_the_rate_and_the_others_untouched(
    tmp_path: Path, make
) -> None:
    training = Training(epochs=4, batch=16, lr=1e-3, schedule="constant")
    members = fleet(make=make)
    told = losing(members, 1, range(4, 5))  # the first step of the second epoch
    trained(members, training, Checkpoints(tmp_path, {}))
    assert list(told) == ["the loss became nan in epoch 2 at learning rate 0.001: from epoch 1 on again, at 0.0005"]
    for k, (one, other) in enumerate(zip(members, trained(fleet(make=make), training), strict=True)):
        assert len(one.history.epoch) == 4
        assert (gap(one, other) < 1e-9) == (k != 1)
        assert all(np.isfinite(one.history.train_loss))


def test_where_members_share_groups_the_epoch_is_done_again_apart(tmp_path: Path) -> None:
    training = Training(epochs=4, batch=16, lr=1e-3, schedule="constant")
    members = fleet()
    assert Fleet(members, training, None).engine.shares
    told = losing(members, 1, range(4, 9))  # the second epoch, and the first step of it once more
    kept = Checkpoints(tmp_path, {})
    trained(members, training, kept)
    assert len(list(told)) == 1
    assert (newest := kept.newest()) is not None
    assert newest.about["apart"]
    for k, (one, other) in enumerate(zip(members, trained(fleet(), training), strict=True)):
        assert (gap(one, other) < 1e-8) == (k != 1)


def test_a_member_that_always_loses_it_ends_the_training(tmp_path: Path) -> None:
    members = fleet(make=wide)
    losing(members, 1, range(4, 10**6))
    with pytest.raises(
        Diverged,
        match=r"lr = 0\.001: the loss became nan in epoch 2, also at 0\.000125, the third retry: use a lower one",
    ):
        trained(members, Training(epochs=3, batch=16, lr=1e-3), Checkpoints(tmp_path, {}))


def test_a_loss_lost_in_the_first_step_is_no_matter_of_the_rate(tmp_path: Path) -> None:
    members = fleet(make=wide)
    losing(members, 1, range(1, 10))
    with pytest.raises(SchwarzError, match=r"the loss of the first step is nan, before the learning rate 0\.001"):
        trained(members, Training(epochs=3, batch=16, lr=1e-3), Checkpoints(tmp_path, {}))


def test_bfloat16_learns_too() -> None:
    alike = [images(k) for k in range(4)]
    members = [
        Member(member.model.float(), Labelled(each.x.astype(np.float32), each.y), None, member.seed)
        for member, each in zip(fleet(), alike, strict=True)
    ]
    trained(members, Training(epochs=10, batch=16, lr=3e-3, precision="bfloat16"))
    for member in members:
        assert member.history.train_loss[-1] < 0.7 * member.history.train_loss[0]
        assert all(p.dtype is torch.float32 for p in member.model.parameters())


def test_dropout_is_another_in_every_epoch_and_the_same_in_every_run() -> None:
    def losses() -> list[float]:
        network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 16 * 16, CLASSES))
        (member,) = fleet(1, lambda: network)
        return trained([member], Training(epochs=4, batch=48, lr=1e-12))[0].history.train_loss

    first = losses()
    assert len(set(first)) == 4  # at this rate nothing else differs
    assert losses() == first
