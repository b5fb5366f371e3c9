"""Recurrent layers (document 3, section 2.4): (2.27) is one; (2.28) is the dense layer that follows it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from schwarz.cases import Cause
from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import Axis
from schwarz.correspondence.layers import Fit, Walk, dtype_of, kind_of, like
from schwarz.correspondence.tracing import CELLS, RECURRENT

GATES = {nn.RNN: 1, nn.RNNCell: 1, nn.GRU: 3, nn.GRUCell: 3, nn.LSTM: 4, nn.LSTMCell: 4}


def recurrent(walk: Walk, layer: Any, x: Activation, state: Any = None) -> tuple[Activation, Any]:
    """(2.27): gates are stacked; input-to-hidden and hidden-to-hidden weights share the map of the hidden state."""
    time = x.axes[1 if layer.batch_first else 0]
    if not time.undivided:
        x = x.blurred().blamed(Cause(walk.here, "reads a time axis that is cut", "a partition of the features alone"))
    if layer.proj_size:
        raise ValueError(f"layer {walk.here!r}: a projected LSTM (proj_size) cannot be composed")
    x = x.read_whole(x.axes[-1:])
    hidden, read = _hidden(walk, layer, x), x.axes[-1]
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    both = _repeated(hidden, len(directions))
    places: dict[str, tuple[Tensor, ...]] = {}
    for depth in range(layer.num_layers):
        for direction in directions:
            places |= _gates(layer, hidden, read, f"_l{depth}{direction}")
        read = both
    options = {"nonlinearity": layer.nonlinearity} if isinstance(layer, nn.RNN) else {}
    make = partial(
        kind_of(layer, RECURRENT), x.axes[-1].local, hidden.local, layer.num_layers, bias=layer.bias,
        batch_first=layer.batch_first, dropout=layer.dropout, bidirectional=layer.bidirectional,
        **options, **dtype_of(layer),
    )  # fmt: skip
    causes = (*walk.fit(layer, Fit(make, places)), *_given(walk, state, hidden))
    out = replace(x, axes=(*x.axes[:-1], both)).blamed(*causes)
    batch = x.axes[0 if layer.batch_first else 1]
    last = replace(out, axes=(Axis.all(layer.num_layers * len(directions)), batch, hidden))
    return out, (last, last) if isinstance(layer, nn.LSTM) else last


def cell(walk: Walk, layer: Any, x: Activation, state: Any = None) -> Any:
    """One step of a recurrent layer."""
    x = x.read_whole(x.axes[-1:])
    hidden = _hidden(walk, layer, x)
    options = {"nonlinearity": layer.nonlinearity} if isinstance(layer, nn.RNNCell) else {}
    make = partial(
        kind_of(layer, CELLS), x.axes[-1].local, hidden.local, bias=layer.bias, **options, **like(layer.weight_ih)
    )
    causes = (*walk.fit(layer, Fit(make, _gates(layer, hidden, x.axes[-1], ""))), *_given(walk, state, hidden))
    out = replace(x, axes=(*x.axes[:-1], hidden)).blamed(*causes)
    return (out, out) if isinstance(layer, nn.LSTMCell) else out


def _hidden(walk: Walk, layer: Any, x: Activation) -> Axis:
    """The hidden state is never the output that all networks make together: a layer must follow that reads it."""
    if walk.is_output:
        raise ValueError(f"layer {walk.here!r}: a recurrent layer has no output rule; a dense layer must follow it")
    if x.axes[-1].whole != layer.input_size:
        raise ValueError(f"layer {walk.here!r} takes {layer.input_size} features, but is given {x.axes[-1].whole}")
    return walk.output_axis(layer.hidden_size, x.axes[:-1])[0]


def _gates(layer: Any, hidden: Axis, read: Axis, suffix: str) -> dict[str, tuple[Tensor, ...]]:
    rows = _repeated(hidden, GATES[kind_of(layer, tuple(GATES))]).index
    names = ("bias_ih", "bias_hh")
    return {
        f"weight_ih{suffix}": (rows[:, None], read.index[None, :]),
        f"weight_hh{suffix}": (rows[:, None], hidden.index[None, :]),
    } | {f"{name}{suffix}": (rows,) for name in names}


def _repeated(axis: Axis, times: int) -> Axis:
    """The axis of so many blocks one after the other: gates, or directions."""
    blocks: Sequence[Tensor] = [axis.index + block * axis.whole for block in range(times)]
    return Axis.of(axis.whole * times, torch.cat(list(blocks)))


def _given(walk: Walk, state: Any, hidden: Axis) -> tuple[Cause, ...]:
    """Why a first state that the network is given is not the one that its local networks are given."""
    causes: tuple[Cause, ...] = ()
    for each in state if isinstance(state, tuple) else (state,):
        if each is None:
            continue
        if not isinstance(each, Activation) or each.axes[-1].local != hidden.local:
            raise ValueError(
                f"layer {walk.here!r} is given a state of the global network's size: local network {walk.k} has "
                f"{hidden.local} of its {hidden.whole} units. Leave it out: a state begins at 0"
            )
        causes += each.causes
        if not each.axes[-1].meets(hidden):
            causes += (Cause(walk.here, "is given a state of other units", "a state made by the same layer"),)
    return causes
