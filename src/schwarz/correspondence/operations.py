"""Operations without weights: what each does to the index maps of an activation.

A rule per kind of operation, whether it is called as a layer, a function or a method. What is not listed here or in
`layers` is refused by name.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from schwarz.correspondence.activation import Activation, Case, Cause, merged
from schwarz.correspondence.index_maps import Axis
from schwarz.correspondence.layers import Walk, slid
from schwarz.correspondence.shaping import together
from schwarz.correspondence.windows import Window


def elementwise(walk: Walk, x: Activation, *others: Any, **options: Any) -> Activation:
    """Each value by itself, or with the value in the same place of other activations."""
    given = [x, *(each for each in others if isinstance(each, Activation))]
    if len(given) == 1:
        return replace(x, output=False)
    axes, causes = together(walk, [each.axes for each in given])
    made = Activation(
        axes,
        merged(*(each.causes for each in given), causes),
        merged(*(each.shrinks for each in given)),
        all(each.output for each in given),
    )
    if made.is_map and any(each.causes and not each.is_map for each in given):
        reason = "joins a map with values made of the whole image, or of the box in a local network"
        made = made.blurred().blamed(Cause(walk.here, reason, "the same network without this gate"))
    if any(each.output for each in given) and not made.output:
        made = made.blamed(Cause(walk.here, "joins the output with something else", "an output that nothing follows"))
    return made


def unchanged(walk: Walk, x: Activation, *args: Any, **options: Any) -> Activation:
    """Dropout, identity, a copy: the values themselves."""
    return x


def over_features(walk: Walk, x: Activation, *args: Any, **options: Any) -> Activation:
    """Softmax and the like: behind the output they leave the logits what they are; elsewhere they mix all networks."""
    if x.output or walk.boxes == 1:
        return replace(x, output=False)
    cause = Cause(walk.here, "normalises over the features of all local networks", "no such layer inside")
    return x.blurred().blamed(cause)


def pooling(walk: Walk, layer: Any, x: Activation) -> Activation:
    """Max, average and power-average pooling: as a convolution, channel by channel."""
    if getattr(layer, "return_indices", False):
        raise ValueError(f"layer {walk.here!r}: pooling that returns indices (return_indices) cannot be composed")
    places = x.axes[2:]

    def each(value: Any) -> Sequence[Any]:
        return value if isinstance(value, (tuple, list)) else (value,) * len(places)

    options = zip(
        each(layer.kernel_size), each(layer.stride or layer.kernel_size), each(getattr(layer, "padding", 0)),
        each(getattr(layer, "dilation", 1)), strict=True,
    )  # fmt: skip
    windows = [Window(k, s, (p, p), d, ceil_mode=layer.ceil_mode) for k, s, p, d in options]
    moved = [axis.through(window) for axis, window in zip(places, windows, strict=True)]
    return slid(walk, replace(x, axes=(*x.axes[:2], *moved), output=False), x, layer)


def adaptive_pooling(walk: Walk, layer: Any, x: Activation) -> Activation:
    """To one position: the mean or maximum of the map. To more: bins whose size depends on the map's."""
    places = x.axes[2:]
    wanted = layer.output_size if isinstance(layer.output_size, (tuple, list)) else (layer.output_size,) * len(places)
    sizes = [axis.whole if n is None else n for n, axis in zip(wanted, places, strict=True)]
    if all(n == 1 for n in sizes):
        return reduced(walk, x, tuple(range(2, len(x.axes))), True)
    if all(axis.undivided for axis in places):
        return replace(x, axes=(*x.axes[:2], *(Axis.all(n) for n in sizes)), output=False)
    reason = f"divides the map into {' x '.join(map(str, sizes))} bins; a local network divides its box into as many"
    bins = (axis.binned(n) for axis, n in zip(places, sizes, strict=True))
    after = replace(x, axes=(*x.axes[:2], *bins), output=False)
    return after.blamed(Cause(walk.here, reason, "pooling by a fixed window"))


def reduced(walk: Walk, x: Activation, dim: Any = None, keepdim: bool = False, **options: Any) -> Activation:
    """One value for all positions of some axes: their mean, sum or maximum."""
    axes = range(len(x.axes)) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = sorted({a % len(x.axes) for a in axes})
    read = [x.axes[a] for a in gone]
    kept = [axis if a not in gone else Axis.all(1) for a, axis in enumerate(x.axes) if a not in gone or keepdim]
    after = replace(x, axes=tuple(kept), output=x.output and all(axis.places for axis in read))
    if all(axis.undivided for axis in read):
        return after
    after = after.read_whole(read)
    if any(axis.places for axis in read):
        cause = Cause(walk.here, "pools the whole map; a local network has its box only", "flatten", Case.FIELD)
        return replace(after.blamed(cause), shrinks=())
    return after.blamed(Cause(walk.here, "reduces over the features of all local networks", "a dense layer"))


def upsampling(walk: Walk, layer: Any, x: Activation) -> Activation:
    return enlarged(walk, x, layer.size, layer.scale_factor, layer.mode, layer.align_corners)


def enlarged(
    walk: Walk, x: Activation, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, **options: Any,
) -> Activation:  # fmt: skip
    """By a whole factor, nearest or linear; align_corners stretches a box by another factor than the image."""
    places = x.axes[2:]
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * len(places)
    if mode not in ("nearest", "linear", "bilinear", "trilinear") or any(f is None or f != int(f) for f in factors):
        raise ValueError(f"layer {walk.here!r}: up-sampling {mode!r} to a size, or by a fraction, cannot be composed")
    moved = [axis.enlarged(int(f), mode != "nearest") for axis, f in zip(places, factors, strict=True)]
    after = replace(x, axes=(*x.axes[:2], *moved))
    if mode != "nearest":
        after = slid(walk, after, x)
    if align_corners and not all(axis.undivided for axis in places):
        cause = Cause(walk.here, "aligns the corners of the map, not of the box", "align_corners=False")
        after = after.blurred().blamed(cause)
    return after


def shuffled(walk: Walk, layer: nn.ChannelShuffle, x: Activation) -> Activation:
    """Channel shuffle permutes the channels of the global network, and a local network its own."""
    channels = x.axes[1]
    if channels.local % layer.groups:
        raise ValueError(
            f"layer {walk.here!r} shuffles {layer.groups} groups; box {walk.k} has {channels.local} channels"
        )

    def order(n: int) -> Tensor:
        return torch.arange(n).reshape(layer.groups, -1).T.flatten()

    place = order(channels.whole).argsort()
    axis = Axis.of(channels.whole, place[channels.index[order(channels.local)]])
    return replace(x, axes=(x.axes[0], axis, *x.axes[2:]))
