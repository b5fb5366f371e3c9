"""Training one network: order, rate, best epoch, repeatability, a loss that is lost."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from schwarz.config import Training
from schwarz.errors import SchwarzError
from schwarz.images import Labelled
from schwarz.networks import initialise
from schwarz.training import accuracy, batches, fit, learning_rate, predict
from schwarz.training.epochs import ahead


def two_classes(n: int, seed: int) -> Labelled:
    """Points on a line, labelled by their side, a tenth of them wrongly."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    return Labelled(x, np.where(generator.random(n) < 0.1, 1 - y, y))


def net(seed: int = 0) -> nn.Module:
    return initialise(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), seed)


def trained(seed: int = 0, **fields: Any) -> tuple[nn.Module, list[tuple[int, dict[str, float]]]]:
    module, told = net(), []
    training = Training(**{"epochs": 5, "batch": 16, "lr": 1e-2} | fields)
    fit(
        module,
        training,
        two_classes(200, 1),
        two_classes(100, 2),
        seed,
        lambda epoch, figures: told.append((epoch, figures)),
    )
    return module, told


def test_it_learns_and_tells_every_epoch():
    module, told = trained()
    assert [epoch for epoch, _ in told] == [1, 2, 3, 4, 5]
    validation = two_classes(100, 2)
    assert accuracy(predict(module, validation.x), validation.y) > 0.7


def test_it_ends_with_the_best_epochs_weights():
    module, told = trained(epochs=8, lr=0.5, schedule="constant")
    validation = two_classes(100, 2)
    best = max(figures["validation_accuracy"] for _, figures in told)
    assert accuracy(predict(module, validation.x), validation.y) == best
    assert told[-1][1]["validation_accuracy"] < best  # or else this test could not fail


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_order():
    (a, _), (b, _), (c, _) = trained(0), trained(0), trained(1)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(a.parameters(), c.parameters(), strict=True))


def test_an_epoch_takes_every_image_once_in_batches_of_nearly_one_size():
    taken = list(batches(33, Training(batch=16), seed=0, epoch=1))
    assert sorted(np.concatenate(taken)) == list(range(33))
    assert {len(batch) for batch in taken} == {11}


def test_order_differs_between_epochs():
    first, second = (np.concatenate(list(batches(50, Training(batch=16), seed=0, epoch=e))) for e in (1, 2))
    assert not np.array_equal(first, second)


def test_epochs_of_so_many_steps_go_through_pass_after_pass():
    """Document 3, 3.1.2: 300 steps of 128 images are half of Food-101."""
    training = Training(batch=16, steps=7)
    taken = [batch for epoch in range(1, 6) for batch in batches(64, training, seed=0, epoch=epoch)]
    assert len(taken) == 35
    for first in range(0, 32, 4):
        assert sorted(np.concatenate(taken[first : first + 4])) == list(range(64))
    (one, *_), (two, *_) = taken[:4], taken[4:8]
    assert not np.array_equal(one, two)


def test_reading_ahead_makes_no_difference(monkeypatch: pytest.MonkeyPatch):
    at_once, _ = trained(0)
    monkeypatch.setattr("schwarz.training.epochs.ROOM", 0)  # as if these images were larger than memory
    ahead, _ = trained(0)
    assert all(torch.equal(x, y) for x, y in zip(at_once.parameters(), ahead.parameters(), strict=True))


def test_a_fault_while_reading_ahead_is_raised():
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    reading = ahead(items())
    assert next(reading) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(reading)


def test_the_cosine_goes_from_the_peak_to_zero():
    cosine = Training(lr=2.0, schedule="cosine")
    assert learning_rate(cosine, 1, 0.0, []) == 2.0
    assert learning_rate(cosine, 1, 0.5, []) == pytest.approx(1.0)
    assert learning_rate(cosine, 1, 1.0, []) == pytest.approx(0.0)
    assert learning_rate(Training(lr=2.0, schedule="constant"), 1, 0.9, []) == 2.0


def test_a_lost_loss_names_epoch_and_rate():
    images = two_classes(64, 1)
    broken = Labelled(np.where(np.arange(64)[:, None] == 3, np.float32("nan"), images.x), images.y)
    with pytest.raises(SchwarzError, match=r"lr = 0.01: the loss became nan in epoch 1: use a lower one"):
        fit(net(), Training(epochs=2, batch=16, lr=0.01), broken, None, 0, lambda epoch, figures: None)
