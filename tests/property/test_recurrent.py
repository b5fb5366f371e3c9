"""Recurrent networks (document 3, section 2.4): at every step and in every block, the composed network's input, hidden
state and output on the units of local network k are those of local network k (2.29)."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from schwarz.composition import compose
from schwarz.correspondence import share
from schwarz.decomposition import decompose
from schwarz.networks.recurrent import Blocks, gru, lstm, recurrent, rnn
from schwarz.partition import Box, Partition
from schwarz.task import Task
from schwarz.theory import verify
from tests.models import Network, look_trained

STEPS = 6


@st.composite
def features(draw: Any) -> Partition:
    """Any cut of the features of a series: side by side, overlapping, with gaps."""
    n, count = draw(st.integers(6, 14)), draw(st.integers(1, 4))
    if draw(st.booleans()):
        return Partition.grid((n,), (count,), overlap=draw(st.integers(0, 1)))
    starts = [draw(st.integers(0, n - 2)) for _ in range(count)]
    return Partition((n,), tuple(Box(((a, draw(st.integers(a + 1, n))),)) for a in starts))


def composed(
    whole: Any, partition: Partition, seed: int, task: Task = Task.CLASSIFICATION
) -> tuple[Any, list[Any], Tensor]:
    """The module with composed weights, its local networks, three series; in float64."""
    torch.manual_seed(seed)
    whole = whole.double().eval()
    shape = (STEPS, *partition.shape)
    locals_ = decompose(whole, partition, shape, task)
    look_trained(*locals_, seed=seed)
    compose(whole, locals_, partition, task=task, require="exact", input_shape=shape)
    x = torch.randn(3, *shape, dtype=torch.float64)
    return whole, locals_, x


def units(width: int, k: int, boxes: int, directions: int = 1) -> Tensor:
    """The hidden units of local network k, in every direction."""
    mine = torch.as_tensor(share(width, k, boxes))
    return torch.cat([mine + direction * width for direction in range(directions)])


def assert_equal(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(
    features(), st.sampled_from([nn.RNN, nn.LSTM, nn.GRU]), st.integers(0, 5), st.integers(1, 3), st.booleans(),
    st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_states_of_torchs_layers_agree_at_every_step(partition, kind, more, layers, bias, both_ways, seed):
    boxes, directions = len(partition), 1 + both_ways
    width = boxes + more
    states = kind(partition.shape[0], width, layers, bias=bias, batch_first=True, bidirectional=both_ways)

    every_step = Network(
        lambda net, x: net.classes(net.states(x)[0]), states=states, classes=nn.Linear(width * directions, 3)
    )
    whole, locals_, x = composed(every_step, partition, seed)
    outputs, last = whole.states(x)
    for k, (local, part) in enumerate(zip(locals_, partition.split(x), strict=True)):
        mine, mine_last = local.states(part)
        assert_equal(outputs[..., units(width, k, boxes, directions)], mine)
        for one, other in zip(last, mine_last, strict=True) if kind is nn.LSTM else [(last, mine_last)]:
            assert_equal(one[..., units(width, k, boxes)], other)
    expected = torch.stack([local(part) for local, part in zip(locals_, partition.split(x), strict=True)]).sum(0)
    assert_equal(whole(x), expected)


class Unrolled(nn.Module):
    """A cell, step by step; gives every state."""

    def __init__(self, cell: nn.Module, width: int) -> None:
        super().__init__()
        self.cell = cell
        self.classes = nn.Linear(width, 3)

    def states(self, x: Tensor) -> list[Tensor]:
        state, states = None, []
        for t in range(STEPS):
            state = self.cell(x[:, t], state)
            states.append(state[0] if isinstance(self.cell, nn.LSTMCell) else state)
        return states

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.states(x)[-1])


@settings(max_examples=30, deadline=None)
@given(features(), st.sampled_from([nn.RNNCell, nn.LSTMCell, nn.GRUCell]), st.integers(0, 5), st.integers(0, 9))
def test_states_of_cells_agree_at_every_step(partition, kind, more, seed):
    width = len(partition) + more
    whole, locals_, x = composed(Unrolled(kind(partition.shape[0], width), width), partition, seed)
    for k, (local, part) in enumerate(zip(locals_, partition.split(x), strict=True)):
        for one, other in zip(whole.states(x), local.states(part), strict=True):
            assert_equal(one[:, units(width, k, len(partition))], other)
    assert verify(whole, locals_, partition, x).exact


@settings(max_examples=30, deadline=None)
@given(features(), st.integers(0, 5), st.integers(1, 3), st.integers(0, 9), st.sampled_from(list(Task)[:2]))
def test_inputs_states_and_outputs_of_document_3s_blocks_agree_at_every_step(partition, more, blocks, seed, task):
    width, boxes = len(partition) + more, len(partition)
    whole, locals_, x = composed(
        Blocks((STEPS, *partition.shape), 3, width, blocks), partition, seed, task
    )  # x^1 is the series
    parts = partition.split(x)
    for k, local in enumerate(locals_):
        mine, theirs = units(width, k, boxes), x
        part = parts[k]
        for block, block_k in zip(whole.blocks, local.blocks, strict=True):
            assert_equal(block.state(theirs)[0][..., mine], block_k.state(part)[0])
            theirs, part = block(theirs), block_k(part)
            assert_equal(theirs[..., mine], part)
    outputs = torch.stack([local(part) for local, part in zip(locals_, parts, strict=True)])
    assert_equal(whole(x), outputs.sum(0) if task is Task.CLASSIFICATION else outputs.mean(0))


@pytest.mark.parametrize("family", [recurrent, rnn, lstm, gru])
def test_families_of_the_configuration_are_exact_on_overlapping_features(family):
    partition = Partition.grid((10,), (3,), overlap=1)
    whole, locals_, x = composed(family((STEPS, 10), 4, width=7), partition, 0)
    verdict = verify(whole, locals_, partition, x, torch.tensor([0, 1, 3]))
    assert verdict.exact
    assert verdict.holds
    assert verdict.bounds is not None


def test_a_series_that_is_cut_in_time_is_labelled_and_no_field_is_claimed():
    whole = Network(
        lambda net, x: net.classes(net.states(x)[0].flatten(1)),
        states=nn.LSTM(4, 6, batch_first=True),
        classes=nn.Linear(6 * STEPS, 3),
    ).double()
    partition = Partition.grid((STEPS, 4), (2, 1))
    locals_ = decompose(whole, partition, (STEPS, 4))
    compose(whole, locals_, partition, input_shape=(STEPS, 4))
    verdict = verify(whole, locals_, partition, torch.randn(3, STEPS, 4, dtype=torch.float64))
    assert verdict.case == "initialisation"
    assert verdict.causes[0].layer == "states"
    assert "time axis" in verdict.causes[0].reason
    assert verdict.logit_gap > 1e-3
    assert verdict.field_gap == 0
