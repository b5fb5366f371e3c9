"""(2.29) of document 3: states and outputs of the local networks are those of the composed one, at every step."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from schwarz import Case, Partition, compose, decompose, verify
from schwarz.correspondence import share
from schwarz.networks.recurrent import gru, lstm, recurrent, rnn

FAMILIES = {"the block of (2.27) and (2.28)": recurrent, "rnn": rnn, "lstm": lstm, "gru": gru}


@st.composite
def sequences(draw: st.DrawFn) -> tuple[Partition, int, int, int, int]:
    """A partition of features, time steps, units, layers, a seed."""
    features, boxes = draw(st.integers(6, 14)), draw(st.integers(1, 3))
    partition = Partition.grid((features,), (boxes,), overlap=draw(st.integers(0, 1)) if boxes > 1 else 0)
    return (
        partition,
        draw(st.integers(1, 6)),
        draw(st.integers(boxes, 9)),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 99)),
    )


def states(module: nn.Module, x: Tensor) -> list[Tensor]:
    """What every recurrent layer gives for each step, [batch, time, units]."""
    seen: list[Tensor] = []
    layers = [layer for layer in module.modules() if isinstance(layer, (nn.RNN, nn.LSTM, nn.GRU))]
    hooks = [layer.register_forward_hook(lambda _, __, output: seen.append(output[0])) for layer in layers]
    module(x)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@settings(max_examples=25, deadline=None)
@given(sequences())
def test_states_are_those_of_the_local_networks_at_every_step(family, case):
    partition, steps, units, layers, seed = case
    torch.manual_seed(seed)
    shape = (steps, *partition.shape)
    network: Any = family(shape, 3, width=units, layers=layers).double().eval()
    locals_ = decompose(network, partition, shape)
    compose(network, locals_, partition, require="exact", input_shape=shape)
    x = torch.randn(4, *shape, dtype=torch.float64)
    whole = states(network, x)
    assert whole
    for k, (local, box) in enumerate(zip(locals_, partition.split(x), strict=True)):
        mine = list(share(units, k, len(partition)))
        for one, other in zip(whole, states(local, box), strict=True):
            torch.testing.assert_close(one[..., mine], other, rtol=0, atol=1e-12)
    verdict = verify(network, locals_, partition, x)
    assert verdict.exact
    assert verdict.logit_gap < 1e-10


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_both_directions_and_their_last_states(kind):
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = kind(12, 8, 2, batch_first=True, bidirectional=True)
            self.head = nn.Linear(16 + 8, 4)

        def forward(self, x: Tensor) -> Tensor:
            steps, state = self.layer(x)
            last = state[0] if kind is nn.LSTM else state
            return self.head(torch.cat([steps[:, -1], last[-1]], 1))

    assert exact(Both(), (7, 12))


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_cells_that_a_user_steps_through_time(kind):
    class Stepped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = kind(12, 8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            state = self.cell(x[:, 0])
            for step in range(1, 5):
                state = self.cell(x[:, step], state)
            return self.head(state[0] if kind is nn.LSTMCell else state)

    assert exact(Stepped(), (5, 12))


def test_time_that_is_cut_is_labelled():
    network = nn.Sequential(Steps(), nn.Flatten(), nn.Linear(6 * 8, 3))
    partition = Partition.grid((6, 12), (2, 1))
    locals_ = decompose(network, partition, (6, 12))
    compose(network, locals_, partition, input_shape=(6, 12))
    verdict = verify(network, locals_, partition, torch.randn(4, 6, 12))
    assert verdict.case is Case.INITIALISATION
    assert [cause.layer for cause in verdict.causes] == ["0.layer"]
    assert "time axis that is cut" in verdict.causes[0].reason
    assert verdict.logit_gap > 1e-3


def test_a_state_of_the_global_size_is_refused():
    class Started(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.GRU(12, 8, batch_first=True), nn.Linear(8, 3)
            self.register_buffer("start", torch.zeros(1, 4, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x, self.start)[0][:, -1])

    with pytest.raises(ValueError, match=r"layer 'layer' is given a state of the global network's size.*Leave it out"):
        decompose(Started(), Partition.grid((12,), (2,)), (5, 12))


class Steps(nn.Module):
    """The states of all steps."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(12, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


def exact(network: nn.Module, shape: tuple[int, int]) -> bool:
    torch.manual_seed(0)
    network, partition = network.double(), Partition.grid(shape[1:], (3,), overlap=1)
    locals_ = decompose(network, partition, shape)
    compose(network, locals_, partition, input_shape=shape)
    verdict = verify(network, locals_, partition, torch.randn(4, *shape, dtype=torch.float64))
    return verdict.exact and verdict.logit_gap < 1e-12
