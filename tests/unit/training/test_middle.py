"""A training that is cut off in the middle of an epoch goes on there: no image is repeated, none is missed."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from schwarz.config import Training
from schwarz.images import Inputs
from schwarz.networks import initialise
from schwarz.training import Checkpoints, Member, fit_in_step
from tests.unit.training.examples import images, same_bytes, small

TRAINING = Training(epochs=3, batch=8, lr=1e-3, plateau=1)
STEPS = 6


class Watched:
    """Images that remember which were asked for, and fail when they are asked for the so-manieth time."""

    def __init__(self, inputs: Inputs, fails_at: int | None = None) -> None:
        self.inputs, self.fails_at = inputs, fails_at
        self.y, self.shape, self.nbytes = inputs.y, inputs.shape, inputs.nbytes
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        if len(self.asked) == self.fails_at:
            raise OSError("cut off")
        self.asked.append(at.tolist())
        return self.inputs.batch(at, epoch)


def dropping() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 32), nn.BatchNorm1d(32), nn.Dropout(0.5), nn.Linear(32, 5))


def members(n: int, make: Callable[[], nn.Module], fails_at: int | None) -> tuple[list[Member], list[Watched]]:
    watched = [Watched(images(k), fails_at) for k in range(n)]
    return [
        Member(initialise(make(), k).double(), each, images(100 + k, 20), seed=k) for k, each in enumerate(watched)
    ], watched


@pytest.mark.parametrize("cut_at", [1, 5, 6, 7, 11, 14])
@pytest.mark.parametrize(("n", "make"), [(1, dropping), (3, small)], ids=["alone with dropout", "in step"])
def test_no_image_is_repeated_and_none_missed(tmp_path: Path, n: int, make: Callable[[], nn.Module], cut_at: int):
    whole, seen = members(n, make, None)
    fit_in_step(whole, TRAINING, Checkpoints(tmp_path / "whole", {}, minutes=0.0))
    begun, first = members(n, make, cut_at)
    kept = Checkpoints(tmp_path / "kept", {}, minutes=0.0)
    with pytest.raises(OSError, match="cut off"):
        fit_in_step(begun, TRAINING, kept)
    again, rest = members(n, make, None)
    fit_in_step(again, TRAINING, kept)
    for k in range(n):
        assert len(seen[k].asked) == 3 * STEPS
        assert first[k].asked + rest[k].asked == seen[k].asked
        assert same_bytes(again[k].model, whole[k].model)
        told, expected = again[k].history.to_json(), whole[k].history.to_json()
        assert {name: told[name] for name in told if name != "cpu_s"} == {
            name: expected[name] for name in expected if name != "cpu_s"
        }


def test_within_an_epoch_a_checkpoint_is_written_when_the_last_is_old(tmp_path: Path):
    for name, minutes in (("never", 10.0), ("always", 0.0)):
        begun, _ = members(1, small, 4)
        with pytest.raises(OSError, match="cut off"):
            fit_in_step(begun, TRAINING, Checkpoints(tmp_path / name, {}, minutes))
    assert sorted(path.stem for path in (tmp_path / "never").iterdir()) == ["000000-000000"]
    assert sorted(path.stem for path in (tmp_path / "always").iterdir()) == ["000000-000003", "000000-000004"]


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("minutes", [0.0, 10.0])
def test_no_second_is_counted_twice(tmp_path: Path, n: int, minutes: float):
    fit_in_step(members(n, small, None)[0], TRAINING)  # what is made once in a process counts for nobody
    shares = []
    while not shares or (max(shares) < 0.5 and len(shares) < 4):  # on a busy machine writing takes most of it
        some, _ = members(n, small, None)
        began = time.process_time()
        fit_in_step(some, TRAINING, Checkpoints(tmp_path / str(len(shares)), {}, minutes))
        shares.append(sum(member.spent_s for member in some) / (time.process_time() - began))
    assert 0.5 < max(shares) < 1


class Broken(Watched):
    """Images of which one batch, the first time that it is read, holds a value that is no number."""

    def batch(self, at: np.ndarray, epoch: int) -> np.ndarray:
        found = super().batch(at, epoch)
        return np.full_like(found, np.nan) if len(self.asked) == 3 else found


def test_a_member_that_loses_its_loss_within_an_epoch_goes_on_from_before_it(tmp_path: Path):
    """Whatever was kept of that epoch since, for it is kept after every step."""
    broken = Broken(images(0))
    retries: list[str] = []
    member = Member(initialise(small(), 0).double(), broken, images(100, 20), seed=0, on_note=retries.append)
    fit_in_step([member], TRAINING, Checkpoints(tmp_path, {}, minutes=0.0))
    assert len(retries) == 1
    assert all(bool(value.isfinite().all()) for value in member.model.state_dict().values())
    assert len(member.history.epoch) == TRAINING.epochs


def test_what_a_training_goes_on_from_is_told_and_what_was_passed_over(tmp_path: Path):
    def goes_on() -> list[str]:
        again, _ = members(2, small, None)
        again[0].on_note = (told := list[str]()).append
        fit_in_step(again, TRAINING, Checkpoints(tmp_path, {}, minutes=0.0))
        return told

    begun, _ = members(2, small, 2 * STEPS + 4)
    with pytest.raises(OSError, match="cut off"):
        fit_in_step(begun, TRAINING, Checkpoints(tmp_path, {}, minutes=0.0))
    newest, older = sorted(tmp_path.iterdir(), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-1])
    expected = "goes on after epoch 2 and 3 steps, with 1 in step"
    assert goes_on() == [f"{newest} is damaged: passed over", expected]
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    assert goes_on()[-1] == "begins anew"
    assert older
