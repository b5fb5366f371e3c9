"""Theorem 2.1 of document 3 on random networks: where the case is exact, the composed network is its local networks
together.

The logits are the sum of the local ones (2.16), a prediction is their mean (2.22), a reconstruction puts them side by
side; with overlap too, and with boxes that do not cover, although the paper assumes a complete partition (2.6).
"""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from schwarz.cases import Case
from schwarz.composition import compose
from schwarz.correspondence import correspond
from schwarz.decomposition import decompose
from schwarz.partition import Partition
from schwarz.task import Task
from schwarz.theory import verify
from tests.models import look_trained
from tests.property.networks import Example, autoencoder_examples, exact_examples

EXACT = settings(max_examples=80, deadline=None)


def composed(example: Example, task: Task) -> tuple[nn.Module, list[nn.Module], Tensor]:
    """The network with composed weights, its local networks as after training, three images."""
    torch.manual_seed(example.seed)
    look_trained(example.network, seed=example.seed)  # what composing does not overwrite would be seen
    locals_ = decompose(example.network, example.partition, example.shape, task)
    look_trained(*locals_, seed=example.seed + 1)
    compose(example.network, locals_, example.partition, task=task, require="exact", input_shape=example.shape)
    x = torch.randn(3, *example.shape, dtype=torch.float64)
    return example.network.eval(), [local.eval() for local in locals_], x


def outputs(locals_: list[nn.Module], partition: Partition, x: Tensor) -> Tensor:
    return torch.stack([local(box) for local, box in zip(locals_, partition.split(x), strict=True)])


def assert_equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-10)


@EXACT
@given(exact_examples())
def test_logits_of_the_composed_network_are_the_sum_of_the_local_ones(example: Example) -> None:
    whole, locals_, x = composed(example, Task.CLASSIFICATION)
    assert correspond(whole, example.partition, example.shape).case is Case.EXACT
    assert_equal(whole(x), outputs(locals_, example.partition, x).sum(0))


@settings(max_examples=30, deadline=None)
@given(exact_examples())
def test_predictions_of_the_composed_network_are_the_mean_of_the_local_ones(example: Example) -> None:
    whole, locals_, x = composed(example, Task.REGRESSION)
    assert_equal(whole(x), outputs(locals_, example.partition, x).mean(0))


@settings(max_examples=30, deadline=None)
@given(autoencoder_examples(overlap=False))
def test_reconstructions_of_a_complete_partition_lie_side_by_side_whatever_ends_them(example: Example) -> None:
    whole, locals_, x = composed(example, Task.AUTOENCODER)
    image = whole(x).reshape(x.shape)
    for local, box, part in zip(locals_, example.partition, example.partition.split(x), strict=True):
        assert_equal(image[box.slices], local(part).reshape(part.shape))


@settings(max_examples=30, deadline=None)
@given(autoencoder_examples(overlap=True))
def test_reconstructions_of_overlapping_boxes_are_averaged_by_multiplicity(example: Example) -> None:
    whole, locals_, x = composed(example, Task.AUTOENCODER)
    parts = [local(part).reshape(part.shape) for local, part in zip(locals_, example.partition.split(x), strict=True)]
    assert_equal(whole(x).reshape(x.shape), example.partition.assemble(parts))


@settings(max_examples=40, deadline=None)
@given(exact_examples(), st.sampled_from([Task.CLASSIFICATION, Task.REGRESSION]))
def test_the_report_calls_it_exact_and_sees_all_that_it_claims(example: Example, task: Task) -> None:
    whole, locals_, x = composed(example, task)
    verdict = verify(whole, locals_, example.partition, x, task=task)
    assert verdict.exact
    assert verdict.holds
    assert verdict.feature_gap < 1e-10
    assert verdict.field_gap == 0
    assert all(all(layer.claimed) for layer in verdict.layers)
