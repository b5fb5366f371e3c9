"""Theorem 2.2 and the bounds of section 2.4 of document 3, with numbers worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from schwarz import Partition
from schwarz.bounds import Bound, autoencoder, bound_2_19, classification, regression


def logits(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_2_19_takes_the_least_cost_of_those_that_are_right_and_all_of_those_that_are_wrong():
    costs = torch.tensor([[0.5, 2.0, 3.0], [0.25, 0.125, 4.0]])
    correct = torch.tensor([[True, False, False], [True, True, False]])
    assert bound_2_19(costs, correct).tolist() == [0.25, 2.125, 7.0]  # an empty minimum is 0


def test_theorem_2_2_by_hand():
    """One sample that both get right, one that the second gets wrong."""
    first, second = logits((math.log(3), 0), (math.log(3), 0)), logits((math.log(9), 0), (0, math.log(2)))
    inclusion, pointwise, total = classification(first + second, [first, second], torch.tensor([0, 0]))
    assert (inclusion.left, inclusion.right) == (0, 0)
    assert [bound.samples for bound in (inclusion, pointwise, total)] == [1, 1, 2]
    assert pointwise.left == pytest.approx(-math.log(27 / 28) + math.log(9 / 10))  # J - r_i2 of the first sample
    assert total.left == pytest.approx(-math.log(27 / 28) - math.log(3 / 5))
    assert total.right == pytest.approx(-math.log(9 / 10) - math.log(3 / 4) - math.log(1 / 3))
    assert all(bound.holds for bound in (inclusion, pointwise, total))


def test_a_sample_that_all_get_right_and_the_composed_network_wrong_breaks_the_inclusion():
    right, wrong = logits((2, 0)), logits((0, 2))
    inclusion, pointwise, _ = classification(wrong, [right, right], torch.tensor([0]))
    assert inclusion.left == 1
    assert not inclusion.holds
    assert not pointwise.holds


def test_a_tie_that_rounding_breaks_the_other_way_is_no_miss():
    tied = logits((1, 1)).float()
    broken = tied + torch.tensor([0, 1e-7])
    assert classification(broken, [tied, tied], torch.tensor([0]))[0].holds


def test_labels_that_the_network_does_not_have_are_refused():
    with pytest.raises(ValueError, match="labels go from 0 to 7, the network has classes 0 to 1"):
        classification(logits((1, 0), (1, 0)), [logits((1, 0), (1, 0))], torch.tensor([0, 7]))


def test_the_mean_prediction_costs_at_most_the_mean_of_the_costs():
    parts = [logits((0.0,), (4.0,)), logits((2.0,), (4.0,))]
    absolute, squared = regression(sum(parts, torch.zeros(2, 1)) / 2, parts, logits((0.5,), (3.0,)))
    assert (absolute.left, absolute.right) == (0.75, 1.0)
    assert (squared.left, squared.right) == (0.625, 1.125)


def test_a_reconstruction_errs_at_most_by_the_sum_over_the_boxes():
    part = Partition.grid((4,), (2,))
    x = torch.tensor([[0.0, 0, 0, 0]])
    parts = [torch.tensor([[3.0, 0]]), torch.tensor([[0.0, 4]])]
    (bound,) = autoencoder(part, torch.tensor([[3.0, 0, 0, 4]]), parts, x)
    assert (bound.left, bound.right) == (5.0, 7.0)


def test_pixels_in_no_box_have_no_bound():
    assert autoencoder(Partition.grid((8,), (2,), crop=(4,)), torch.ones(1, 8), [], torch.ones(1, 8)) == ()


def test_rounding_is_granted_and_no_more():
    assert Bound("", 1.0 + 1e-9, 1.0, 1e-8, 1).holds
    assert not Bound("", 1.0 + 1e-7, 1.0, 1e-8, 1).holds
