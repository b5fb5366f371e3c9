"""Layers with weights: how each is rebuilt for a local network, and where its weights go in the global one.

A rule per kind of layer; each says, in index maps, what document 3 writes as (2.7) and (2.11) to (2.14).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import gcd
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from schwarz.cases import Case, Cause
from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import Axis, share
from schwarz.correspondence.tracing import CONVOLUTIONS, TRANSPOSED
from schwarz.task import Task
from schwarz.windows import Window

ALIGNED = "boxes that start at multiples of all strides together"
SEPARATE = "boxes without overlap, or a convolution without groups"


@dataclass(frozen=True)
class Fit:
    """One layer of local network k."""

    make: Callable[[], nn.Module]
    """Builds it with fresh weights."""
    index: dict[str, tuple[Tensor, ...]]
    """For each of its tensors: the global index of every entry, one broadcast array for each leading axis."""
    mean: int | None = None
    """Not the sum over local networks, but the mean over those that hold an index of this axis: the outputs' axis."""
    alone: str = ""
    """Values of a channel, averaged where several local networks hold it. That is not exact; this would be."""


class Walk(Protocol):
    """What a rule may ask of the walk through the network."""

    k: int
    boxes: int
    here: str
    is_output: bool
    unit: int
    task: Task
    side_by_side: bool
    """Whether every local network makes outputs of its own, which are put side by side."""
    averages: bool
    """Whether every output is a mean of local ones, so that what is added to all of them is added to it."""
    training: bool
    """Whether it is the graph of the train mode."""

    def output_axis(self, width: int, others: Sequence[Axis]) -> tuple[Axis, bool]:
        """The axis of a layer's outputs beside its `others`, and whether entries of several networks are averaged."""
        ...

    def fit(self, layer: nn.Module, fit: Fit) -> tuple[Cause, ...]:
        """Notes the layer; what keeps its weights from being placed."""
        ...


def convolution(walk: Walk, layer: Any, x: Activation) -> Activation:
    """(2.11), (2.12): channels of the input are read where they are, those of the output belong to one network."""
    if len(x.axes) != len(layer.kernel_size) + 2 or x.axes[1].whole != layer.in_channels:
        raise ValueError(
            f"layer {walk.here!r} takes {layer.in_channels} channels on {len(layer.kernel_size)} axes, but is given "
            f"{list(x.shape[1:])}"
        )
    x = x.read_whole(x.axes[1:2])
    channels, places = x.axes[1], x.axes[2:]
    out, mean, groups, causes = _channels(walk, layer, x)
    if isinstance(layer, TRANSPOSED):
        wide = zip(in_a_row(walk, places), windows_of(layer), layer.output_padding, strict=True)
        moved = [axis.back_through(window, extra) for axis, window, extra in wide]
        weight = _grouped(channels.index, out.index, groups, layer.in_channels, layer.out_channels, layer.groups)
    else:
        moved = through(walk, places, windows_of(layer))
        weight = _grouped(out.index, channels.index, groups, layer.out_channels, layer.in_channels, layer.groups)
    make = partial(_convolution, layer, channels.local, out.local, groups)
    at = (1 if isinstance(layer, TRANSPOSED) else 0) if mean else None
    alone = SEPARATE if layer.groups > 1 and not causes and not channels.undivided else ""
    causes += walk.fit(layer, Fit(make, {"weight": weight, "bias": (out.index,)}, at, alone))
    causes += _apart(walk, places if layer.groups == 1 else (out, *places))
    return slid(walk, replace(x, axes=(x.axes[0], out, *moved), output=walk.is_output), x, layer).blamed(*causes)


def windows_of(layer: Any) -> list[Window]:
    """The windows of a convolution or pooling, one an axis."""
    mode = getattr(layer, "padding_mode", "zeros")
    n = len(layer.kernel_size)
    if layer.padding == "same":
        total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        padding = [(each // 2, each - each // 2) for each in total]
    else:
        padding = [(p, p) for p in ((0,) * n if layer.padding == "valid" else layer.padding)]
    return [
        Window(k, s, p, d, mode)
        for k, s, p, d in zip(layer.kernel_size, layer.stride, padding, layer.dilation, strict=True)
    ]


def through(walk: Walk, axes: Sequence[Axis], windows: Sequence[Window]) -> list[Axis]:
    """What windows make of the axes that they slide along."""
    made = []
    for axis, window in zip(axes, windows, strict=True):
        if window.copies and axis.local < max(window.padding) + (window.mode == "reflect"):
            raise too_small(walk, axis, f"pads {max(window.padding)} positions by others of its own")
        made.append(axis if window.alone else in_a_row(walk, (axis,))[0].through(window))
    return made


def in_a_row(walk: Walk, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The axes, if neighbours in a box are neighbours in the image."""
    if not all(axis.in_a_row for axis in axes):
        raise ValueError(
            f"layer {walk.here!r} slides along an axis on which the positions of box {walk.k} do not lie in a row: "
            "they were reshaped, or are features that local networks share among them. It cannot be composed"
        )
    return axes


def slid(walk: Walk, after: Activation, before: Activation, layer: Any = None) -> Activation:
    """`after`, with what a window does to the axes put to its account."""
    pairs = list(zip(before.axes[2:], after.axes[2:], strict=True))
    return charged(walk, after, pairs, _shrinking(layer), _pads(layer))


def charged(
    walk: Walk, after: Activation, pairs: Sequence[tuple[Axis, Axis]], why: tuple[str, str], again: bool = False
) -> Activation:
    """`after`, with what happened to its axes, each as it was and as it is, put to the account of the operation;
    `again`, if that shrank before too."""
    for a, (old, new) in enumerate(pairs):
        if new.local < 1 or new.whole < 1:
            raise too_small(walk, old, f"takes more of axis {a}", new.whole < 1)
        if old.aligned and not new.aligned:
            reason = f"would begin box {walk.k} at position {float(new.start):g} of its map along axis {a}"
            after = after.blamed(Cause(walk.here, reason, ALIGNED))
    if any(new.aligned and not new.total and (old.total or again) for old, new in pairs):
        after = replace(after, shrinks=(*after.shrinks, Cause(walk.here, *why, Case.FIELD)))
    return after


def _shrinking(layer: Any) -> tuple[str, str]:
    """Why a window makes other values where a box is cut, and what would not."""
    if _pads(layer):
        return "pads at the cuts, where the global network has pixels", "padding 0 (crop the shortcuts)"
    if getattr(layer, "ceil_mode", False):
        return "ends its last window at the cut (ceil_mode)", "ceil_mode=False"
    return (
        "reads what lies beyond the cuts",
        "a layer that reads its own places alone, or a crop of what the cut touches",
    )


def _pads(layer: Any) -> bool:
    padding = getattr(layer, "padding", 0)
    return padding == "same" or any(padding if isinstance(padding, tuple) else (padding,))


def _channels(walk: Walk, layer: Any, x: Activation) -> tuple[Axis, bool, int, tuple[Cause, ...]]:
    """Axis of the outputs, whether they are averaged, groups of the local layer, what cannot be exact."""
    channels = x.axes[1]
    if layer.groups == 1:
        return *walk.output_axis(layer.out_channels, x.axes[2:]), 1, ()
    read, made = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    mine = channels.index.reshape(-1, read) if channels.local % read == 0 else torch.empty(0, read)
    if len(mine) and torch.equal(mine, mine[:, :1] // read * read + torch.arange(read)):
        own = torch.as_tensor(share(made, walk.k, walk.boxes) if channels.undivided else range(made))
        if not len(own):
            raise too_few(walk, f"{made} outputs for each channel of the image", made)
        index = (mine[:, :1] // read * made + own[None, :]).flatten()
        return Axis.of(layer.out_channels, index), False, len(mine), ()
    out, mean = walk.output_axis(layer.out_channels, x.axes[2:])
    reason = f"reads channels in groups of {read} that lie in several local networks"
    nearest = f"a convolution without groups, or local shares that are multiples of {read}"
    return out, mean, gcd(channels.local, out.local, layer.groups), (Cause(walk.here, reason, nearest),)


def too_small(walk: Walk, axis: Axis, what: str, whole: bool = False) -> ValueError:
    """A box of which too little is left for an operation; or the image itself."""
    of, left = ("the input", axis.whole) if whole else (f"box {walk.k}", axis.local)
    return ValueError(
        f"{of} is too small for the network: {left} of its positions are left before layer {walk.here!r}, which "
        f"{what}. Use larger boxes or more overlap."
    )


def too_few(walk: Walk, what: str, width: int) -> ValueError:
    """More networks than channels to share."""
    return ValueError(
        f"layer {walk.here!r} has {what} for {walk.boxes} local networks: one each at least. "
        f"Make it wider or cut into {width} boxes or fewer."
    )


def _grouped(outer: Tensor, inner: Tensor, groups: int, outers: int, inners: int, of: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of a convolution's weight [outer, inner within the group]; -1 where the global group of the
    row does not hold the column."""
    rows = outer.reshape(groups, -1, 1)
    columns = inner.reshape(groups, 1, -1)
    within = torch.where(rows // (outers // of) == columns // (inners // of), columns % (inners // of), -1)
    return outer[:, None], within.reshape(len(outer), -1)


def _convolution(layer: Any, inputs: int, outputs: int, groups: int) -> nn.Module:
    extra = {"output_padding": layer.output_padding} if isinstance(layer, TRANSPOSED) else {}
    return kind_of(layer, (*CONVOLUTIONS, *TRANSPOSED))(
        inputs, outputs, layer.kernel_size, layer.stride, layer.padding,
        dilation=layer.dilation, groups=groups, bias=layer.bias is not None, padding_mode=layer.padding_mode,
        **extra, **like(layer.weight),
    )  # fmt: skip


def dense(walk: Walk, layer: nn.Linear, x: Activation) -> Activation:
    """(2.12), (2.13), (2.14) and the first layer of a network on features: it reads the last axis."""
    x = x.read_whole(x.axes[-1:])
    features = x.axes[-1]
    if features.whole != layer.in_features:
        raise ValueError(f"layer {walk.here!r} takes {layer.in_features} features, but is given {features.whole}")
    out, mean = walk.output_axis(layer.out_features, x.axes[:-1])
    make = partial(nn.Linear, features.local, out.local, layer.bias is not None, **like(layer.weight))
    places = {"weight": (out.index[:, None], features.index[None, :]), "bias": (out.index,)}
    causes = walk.fit(layer, Fit(make, places, 0 if mean else None))
    causes += _apart(walk, x.axes[:-1])
    return replace(x, axes=(*x.axes[:-1], out), output=walk.is_output).blamed(*causes)


def _apart(walk: Walk, others: Sequence[Axis]) -> tuple[Cause, ...]:
    """Why an output layer that leaves other axes as they are does not give a sum."""
    divided = [axis for axis in others if not axis.undivided]
    if not walk.is_output or not divided:
        return ()
    reason = "gives an output for each of features that local networks share among them"
    if any(axis.is_map for axis in divided):
        reason = "gives an output that keeps places: what each network says of its own box has no sum"
    return (Cause(walk.here, reason, "a dense layer on the flattened map"),)


def kind_of(layer: nn.Module, kinds: Sequence[type[nn.Module]]) -> Any:
    """Which of torch's layers it is."""
    return next(kind for kind in kinds if isinstance(layer, kind))


def like(tensor: Tensor) -> dict[str, Any]:
    return {"device": tensor.device, "dtype": tensor.dtype}


def dtype_of(layer: nn.Module) -> dict[str, Any]:
    """Device and dtype of a layer that may have no weights."""
    tensor = next((t for t in (*layer.parameters(), *layer.buffers()) if t.is_floating_point()), torch.zeros(()))
    return like(tensor)
