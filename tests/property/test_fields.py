"""Activation fields (document 3, section 2.1.1) and what is claimed on them (2.15), on random networks of any kind."""

from typing import Any

import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from schwarz.cases import Case
from schwarz.composition import compose
from schwarz.correspondence import Activation, Correspondence, correspond, in_step
from schwarz.decomposition import decompose
from schwarz.task import Task
from schwarz.theory import verify
from tests.models import look_trained
from tests.property.claims import assert_claims_hold
from tests.property.networks import Example
from tests.property.wild_networks import positive_examples, same_examples, wild_examples


@settings(max_examples=150, deadline=None)
@given(wild_examples(), st.sampled_from([Task.CLASSIFICATION, Task.REGRESSION]))
def test_what_is_claimed_of_any_network_holds(example: Example, task: Task) -> None:
    assert_claims_hold(example, task)


@settings(max_examples=150, deadline=None)
@given(wild_examples())
def test_no_network_that_torch_runs_is_refused_for_the_size_of_what_a_layer_is_given(example: Example) -> None:
    """The walk knows sizes as torch does."""
    try:
        correspond(example.network, example.partition, example.shape)
    except ValueError as refused:
        assert "is given" not in str(refused)  # noqa: PT017  # most networks are not refused at all


def respond(found: Correspondence, k: int) -> list[tuple[Activation, Tensor]]:
    """For every map of a network whose weights are all 1, which of its positions respond to pixels outside box k."""
    shape = found.partition.shape
    outside = torch.ones(1, 1, *shape, dtype=torch.float64)
    outside[found.partition.boxes[k].slices] = 0
    values = [(found.nodes[k][node], value) for node, value, _ in in_step(found, [], outside)]
    return [(here, value[0].amax(0) > 1e-12) for here, value in values if isinstance(here, Activation) and here.is_map]


@settings(max_examples=100, deadline=None)
@given(positive_examples())
def test_the_field_is_the_largest_that_responds_to_the_box_alone(example: Example) -> None:
    """Nothing more, nothing less than what pixels outside the box leave alone, at every layer."""
    with torch.no_grad():
        for parameter in example.network.parameters():
            parameter.fill_(1.0)
        try:
            found = correspond(example.network.eval(), example.partition, example.shape)
        except ValueError:  # nothing of a box is left
            reject()
        for k in range(len(example.partition)):
            for here, reached in respond(found, k):
                alone = torch.zeros_like(reached)
                alone[tuple(slice(*axis.field) for axis in here.axes if axis.spatial)] = True
                assert torch.equal(alone, ~reached)


def differing(found: Correspondence, locals_: list[nn.Module], x: Tensor, k: int) -> list[tuple[Any, Tensor]]:
    """For every map, where local network k makes other features than the composed one."""
    gaps = []
    for node, whole, parts in in_step(found, locals_, x):
        here = found.nodes[k].get(node)
        if isinstance(here, Activation) and here.is_map and node.op != "placeholder":
            theirs = whole
            for a, axis in enumerate(here.axes[1:], 1):
                theirs = theirs.index_select(a, axis.index)
            gaps.append((here, (theirs - parts[k]).abs().amax((0, 1)) > 1e-9))
    return gaps


@settings(max_examples=30, deadline=None)
@given(same_examples())
def test_with_padding_features_are_the_local_ones_on_the_field_and_nowhere_else(example: Example) -> None:
    """The report is right on both sides: it claims no more than holds, and no less."""
    whole, partition = example.network.eval(), example.partition
    locals_ = decompose(whole, partition, example.shape)
    torch.manual_seed(example.seed)
    look_trained(*locals_, seed=example.seed)
    compose(whole, locals_, partition)
    x = torch.randn(8, *example.shape, dtype=torch.float64)
    found = correspond(whole, partition, example.shape)
    with torch.no_grad():
        for k in range(len(partition)):
            for here, differ in differing(found, locals_, x, k):
                agree = torch.zeros_like(differ)
                agree[tuple(slice(*axis.agrees) for axis in here.axes if axis.spatial)] = True
                assert torch.equal(agree, ~differ)
    verdict = verify(whole, locals_, partition, x)
    assert verdict.case is Case.FIELD
    assert verdict.holds
    assert verdict.logit_gap > 1e-6
    assert "pads at the cuts" in verdict.causes[0].reason
