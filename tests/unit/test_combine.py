"""Combiners: one decision of N local ones."""

import torch

from schwarz.combine import Average, CoarseNet, Majority, Product


def logits(*local: list[float]) -> torch.Tensor:
    """Local probabilities, one list per local network, as logits [1, N, K]."""
    return torch.tensor([local]).log()


def decision(combiner: torch.nn.Module, x: torch.Tensor) -> int:
    return int(combiner(x).argmax())


def test_average_takes_the_largest_mean_probability():
    x = logits([0.6, 0.4, 0.0], [0.1, 0.5, 0.4])
    torch.testing.assert_close(Average()(x).softmax(-1), torch.tensor([[0.35, 0.45, 0.2]]))


def test_majority_takes_the_class_named_most_often_however_sure_the_others_are():
    assert decision(Majority(), logits([0.4, 0.35, 0.25], [0.4, 0.35, 0.25], [0.0, 1.0, 0.0])) == 0


def test_a_tie_goes_to_the_class_with_the_largest_local_probability():
    assert decision(Majority(), logits([0.6, 0.4, 0.0], [0.3, 0.7, 0.0])) == 1


def test_a_class_without_a_vote_cannot_win_a_tie():
    assert decision(Majority(), logits([0.50, 0.01, 0.49], [0.01, 0.50, 0.49])) == 0


def test_a_tie_of_equal_probabilities_goes_to_the_lowest_index():
    assert decision(Majority(), logits([0.2, 0.8, 0.0], [0.2, 0.0, 0.8])) == 1


def test_product_sums_the_logits():
    x = torch.randn(3, 4, 5)
    torch.testing.assert_close(Product()(x), x.sum(1))


def test_the_coarse_net_has_four_hidden_layers_on_the_concatenated_probabilities():
    net = CoarseNet(boxes=4, classes=10, hidden=(64, 64, 64, 64))
    weights = [tuple(parameter.shape) for parameter in net.hidden.parameters() if parameter.dim() == 2]
    assert weights == [(64, 40), (64, 64), (64, 64), (64, 64)]
    shifted = torch.randn(2, 4, 10)
    torch.testing.assert_close(net(shifted), net(shifted + 3.0))  # it sees probabilities: a shift of logits is nothing
