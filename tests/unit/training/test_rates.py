"""The course of the learning rate: document 3's drops and plateaus, and when a training ends early."""

import pytest

from schwarz.config import Training
from schwarz.training.rates import learning_rate, plateaus, stopped


def test_the_cosine_goes_from_the_peak_to_zero() -> None:
    cosine = Training(lr=2.0, schedule="cosine")
    assert learning_rate(cosine, 1, 0.0, []) == 2.0
    assert learning_rate(cosine, 3, 0.5, []) == pytest.approx(1.0)
    assert learning_rate(cosine, 6, 1.0, []) == pytest.approx(0.0)


def test_a_constant_rate_is_constant() -> None:
    assert learning_rate(Training(lr=2.0, schedule="constant"), 6, 0.9, [0.5] * 5) == 2.0


def test_document_3_divides_by_10_at_80_140_and_160_epochs_and_by_2_at_180() -> None:
    """Section 3.1.1: the global networks, from 0.001."""
    drops = ((80, 0.1), (140, 0.1), (160, 0.1), (180, 0.5))
    training = Training(epochs=200, lr=1e-3, schedule="constant", drops=drops)
    rates = [learning_rate(training, epoch, 0.0, []) for epoch in (1, 80, 81, 140, 141, 161, 180, 181, 200)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-6, 1e-6, 5e-7, 5e-7])


def test_the_exponential_course_loses_a_share_every_epoch() -> None:
    training = Training(lr=1.0, schedule="exponential", decay=0.5)
    assert [learning_rate(training, epoch, 0.0, []) for epoch in (1, 2, 3)] == [1.0, 0.5, 0.25]


def test_five_epochs_without_a_gain_divide_the_rate_by_the_root_of_ten() -> None:
    training = Training(lr=1.0, schedule="constant", plateau=5)
    reached = [0.1, 0.5, *[0.4] * 4]
    assert learning_rate(training, 7, 0.0, reached) == 1.0
    assert learning_rate(training, 8, 0.0, [*reached, 0.5]) == pytest.approx(10**-0.5)
    assert learning_rate(training, 13, 0.0, [*reached, 0.5, *[0.4] * 5]) == pytest.approx(0.1)


def test_a_gain_begins_the_count_anew() -> None:
    assert plateaus([0.1, 0.1, 0.2, 0.2], 2) == 0
    assert plateaus([0.1, 0.1, 0.1, 0.2, 0.2, 0.2], 2) == 2
    assert plateaus([], 2) == 0


def test_a_drop_sets_the_rate_anew() -> None:
    """Document 3: the last 80 of 200 epochs have the rates of the 80 that the composed network is trained for."""
    drops = ((80, 0.1), (140, 0.1), (160, 0.1), (180, 0.5))
    whole = Training(epochs=200, lr=1e-3, schedule="constant", drops=drops, plateau=5)
    tuned = Training(epochs=80, lr=1e-4, schedule="constant", drops=((20, 0.1), (40, 0.1), (60, 0.5)), plateau=5)
    first = [0.8] * 140  # where nothing was gained any more
    for epoch in (21, 40, 41, 61, 80):
        later = [0.8] * (epoch - 1 - 20)
        assert learning_rate(whole, 120 + epoch, 0.0, [*first, *later]) == pytest.approx(
            learning_rate(tuned, epoch, 0.0, [*[0.8] * 20, *later])
        )
    assert learning_rate(whole, 141, 0.0, first) == pytest.approx(1e-5)


def test_what_was_best_before_a_drop_is_still_to_be_gained_on() -> None:
    assert plateaus([0.9, 0.5, 0.5, 0.5], 2, since=1) == 1
    assert plateaus([0.9, 0.5, 0.5, 0.5], 2, since=3) == 0


def test_plateaus_end_at_the_floor() -> None:
    training = Training(lr=1e-3, schedule="constant", plateau=1, floor=5e-4, drops=((9, 0.1),))
    assert learning_rate(training, 5, 0.0, [0.5] * 4) == 5e-4
    assert learning_rate(training, 10, 0.0, [0.5] * 9) == pytest.approx(1e-4)  # a drop may lead below it


def test_a_training_ends_when_nothing_was_gained_for_so_long() -> None:
    training = Training(stop_after=2)
    assert not stopped(training, [])
    assert not stopped(training, [0.5, 0.4])
    assert stopped(training, [0.5, 0.4, 0.5])  # as good is no gain
    assert not stopped(Training(), [0.5] * 50)
