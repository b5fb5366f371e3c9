"""Operations without weights: what each does to the index maps of an activation.

A rule per kind of operation, whether it is called as a layer, a function or a method. What is not listed here or in
`layers` is refused by name.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from schwarz.correspondence.index_maps import (
    Activation,
    Axis,
    Case,
    Cause,
    Window,
    joined,
    merged,
    multiplied,
    share,
    split,
)
from schwarz.correspondence.layers import Walk, slid


@dataclass(frozen=True)
class Sides:
    """A value that is one thing in the global network and another in the local one: a size, say."""

    whole: Any
    local: Any


def whole(value: Any) -> Any:
    """The global side of an argument."""
    return value.whole if isinstance(value, Sides) else value


def local(value: Any) -> Any:
    """The local side of an argument."""
    return value.local if isinstance(value, Sides) else value


def elementwise(walk: Walk, x: Activation, *others: Any, **options: Any) -> Activation:
    """Each value by itself, or with the value in the same place of other activations."""
    given = [x, *(each for each in others if isinstance(each, Activation))]
    if len(given) == 1:
        return replace(x, output=False)
    axes, causes = _together(walk, [each.axes for each in given])
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
    after = replace(x, axes=tuple(kept), output=False)
    if all(axis.undivided for axis in read):
        return after
    after = after.read_whole(read)
    if any(axis.places for axis in read):
        cause = Cause(walk.here, "pools the whole map; a local network has its box only", "flatten", Case.FIELD)
        return replace(after.blamed(cause), shrinks=())
    return after.blamed(Cause(walk.here, "reduces over the features of all local networks", "a dense layer"))


def reshaped(walk: Walk, x: Activation, *shape: Any) -> Activation:
    """Axes are merged and split; where a split leaves no index map, networks get their share of the new axis."""
    wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list, Sides)) else shape
    to = _sizes(walk, x.whole, [whole(n) for n in whole(wanted)])
    to_local = _sizes(walk, x.local, [local(n) for n in local(wanted)])
    axes: list[Axis] = []
    for old, new in _groups(x.whole, x.local, to, to_local):
        parts = [x.axes[a] for a in old]
        if len(old) == len(new) == 1:
            axes += parts
            continue
        x = x.read_whole(parts)
        together, sizes, locals_ = multiplied(parts), [to[a] for a in new], [to_local[a] for a in new]
        made = [together] if len(new) == 1 else split(together, sizes, locals_)
        if made is None:
            reason = "splits channels so that those of a local network are no block of the parts"
            x = x.blamed(Cause(walk.here, reason, "nn.ChannelShuffle where it is one, or no reordering"))
            made = [Axis.of(n, _some(walk, n, m)) for n, m in zip(sizes, locals_, strict=True)]
        axes += made
    return replace(x, axes=tuple(axes))


def flattened(walk: Walk, x: Activation, start_dim: int = 0, end_dim: int = -1) -> Activation:
    """(2.13): the map of the first dense layer."""
    n = len(x.axes)
    start, stop = start_dim % n, end_dim % n + 1
    axes = x.axes[start:stop]
    if stop - start < 2:
        return x
    x = x.read_whole(axes)
    return replace(x, axes=(*x.axes[:start], multiplied(axes), *x.axes[stop:]))


def unflattened(walk: Walk, layer: nn.Unflatten, x: Activation) -> Activation:
    """Only an output that is an image again: any other map has no box."""
    raise ValueError(f"layer {walk.here!r}: Unflatten makes places of features, which no box has")


def permuted(walk: Walk, x: Activation, *dims: Any) -> Activation:
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    return replace(x, axes=tuple(x.axes[d] for d in order))


def transposed(walk: Walk, x: Activation, dim0: int, dim1: int) -> Activation:
    axes = list(x.axes)
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return replace(x, axes=tuple(axes))


def unsqueezed(walk: Walk, x: Activation, dim: int) -> Activation:
    at = dim % (len(x.axes) + 1)
    return replace(x, axes=(*x.axes[:at], Axis.all(1), *x.axes[at:]))


def squeezed(walk: Walk, x: Activation, dim: Any = None) -> Activation:
    dims = range(len(x.axes)) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = {d % len(x.axes) for d in dims if x.axes[d].whole == 1}
    return replace(x, axes=tuple(axis for a, axis in enumerate(x.axes) if a not in gone))


def concatenated(walk: Walk, parts: Sequence[Activation], dim: int = 0) -> Activation:
    """The other axes must be the same places; the joined one keeps the blocks of each part."""
    at = dim % len(parts[0].axes)
    if any(part.axes[at].places and not part.axes[at].undivided for part in parts):
        raise ValueError(f"operation {walk.here!r} joins maps along a partitioned axis: it cannot be composed")
    others, causes = _together(walk, [[*part.axes[:at], Axis.all(1), *part.axes[at + 1 :]] for part in parts])
    axes = (*others[:at], joined([part.axes[at] for part in parts]), *others[at + 1 :])
    return Activation(
        axes,
        merged(*(part.causes for part in parts), causes),
        merged(*(part.shrinks for part in parts)),
        all(part.output for part in parts),
    )


def stacked(walk: Walk, parts: Sequence[Activation], dim: int = 0) -> Activation:
    return concatenated(walk, [unsqueezed(walk, part, dim) for part in parts], dim)


def item(walk: Walk, x: Any, key: Any) -> Any:
    """Slices crop; a number picks one index of an axis that all networks have alike."""
    if not isinstance(x, Activation):
        return x[key]
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        some = len(x.axes) - sum(each is not None for each in keys) + 1
        keys[at : at + 1] = [slice(None)] * some
    axes, rest = [], list(x.axes)
    for each in keys:
        if each is None:
            axes.append(Axis.all(1))
            continue
        axis = rest.pop(0)
        if isinstance(each, slice):
            axes.append(_cropped(walk, axis, each))
        elif not isinstance(each, int) or not axis.undivided:
            raise ValueError(f"operation {walk.here!r}: {each!r} picks from an axis that is divided: no index map")
    return replace(x, axes=(*axes, *rest))


def padded(walk: Walk, x: Activation, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Activation:
    """So many positions around, or fewer where the padding is negative."""
    axes = list(x.axes)
    for a, by in enumerate(zip(pad[::2], pad[1::2], strict=True), 1):
        window = Window(1, padding=by, wraps=mode == "circular", reflects=mode in ("reflect", "replicate"))
        axes[-a] = axes[-a].padded(by, by) if mode == "constant" else axes[-a].through(window)
        if axes[-a].local < 1:
            raise ValueError(f"operation {walk.here!r}: box {walk.k} leaves no position along axis {-a}")
    after = replace(x, axes=tuple(axes), output=False)
    if any(not new.total and old.total for old, new in zip(x.axes, axes, strict=True)):
        cause = Cause(walk.here, "pads at the cuts, where the global network has pixels", "no padding", Case.FIELD)
        after = replace(after, shrinks=(*after.shrinks, cause))
    return after


def padding_layer(walk: Walk, layer: Any, x: Activation) -> Activation:
    kind = type(layer).__name__
    modes = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}
    return padded(walk, x, layer.padding, next((modes[m] for m in modes if kind.startswith(m)), "constant"))


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


def size(walk: Walk, x: Activation, dim: int | None = None) -> Sides:
    """Its shape, on both sides."""
    sides = torch.Size(x.whole), torch.Size(x.local)
    return Sides(*sides) if dim is None else Sides(*(side[dim] for side in sides))


def attribute(walk: Walk, x: Any, name: str) -> Any:
    if isinstance(x, Activation) and name == "shape":
        return size(walk, x)
    if isinstance(x, Activation) and name == "ndim":
        return len(x.axes)
    raise ValueError(f"operation {walk.here!r}: attribute {name!r} cannot be composed")


def _together(walk: Walk, given: Sequence[Sequence[Axis]]) -> tuple[tuple[Axis, ...], tuple[Cause, ...]]:
    """The axes of several activations, the last ones of each above one another, an axis of one stretched."""
    axes: list[Axis] = []
    causes: tuple[Cause, ...] = ()
    for a in range(1, max(map(len, given)) + 1):
        here = [each[-a] for each in given if len(each) >= a]
        wide = [axis for axis in here if axis.whole > 1] or here[:1]
        met = wide[0]
        for other in wide[1:]:
            if met.local != other.local or met.whole != other.whole:
                raise ValueError(f"operation {walk.here!r}: joins {met.whole} and {other.whole} along axis {-a}")
            if not met.meets(other):
                what = "maps whose boxes begin at different places" if met.places else "channels of different places"
                causes += (Cause(walk.here, f"joins {what}", "branches with equal strides, crops and widths"),)
            met = met.both(other)
        axes.insert(0, met)
    return tuple(axes), causes


def _cropped(walk: Walk, axis: Axis, part: slice) -> Axis:
    """A slice of an axis."""
    if part == slice(None):
        return axis
    if not axis.places and not axis.undivided:
        raise ValueError(f"operation {walk.here!r}: a slice of channels that local networks share has no index map")
    sides = ((whole, axis.whole), (local, axis.local))
    (a, b, step), (c, d, _) = (slice(side(part.start), side(part.stop), part.step).indices(n) for side, n in sides)
    if b <= a or d <= c:
        raise ValueError(f"operation {walk.here!r}: box {walk.k} leaves nothing of its {axis.local} positions")
    cropped = axis.padded((-a, b - axis.whole), (-c, d - axis.local))
    return cropped if step == 1 else cropped.through(Window(1, step))


def _sizes(walk: Walk, now: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """The shape asked for, its -1 filled in."""
    known = prod(n for n in wanted if n != -1)
    sizes = [prod(now) // known if n == -1 and known else n for n in wanted]
    if prod(sizes) != prod(now):
        raise ValueError(
            f"operation {walk.here!r}: shape {list(wanted)} does not fit {list(now)} in box {walk.k}: take sizes from "
            "x.shape, or flatten, so that it fits a box too"
        )
    return sizes


def _groups(
    old: Sequence[int], old_local: Sequence[int], new: Sequence[int], new_local: Sequence[int]
) -> Iterable[tuple[list[int], list[int]]]:
    """Which axes of one shape together make which of the other, on both sides."""
    i = j = 0
    while i < len(old) or j < len(new):
        m, n = min(i + 1, len(old)), min(j + 1, len(new))
        while True:
            left, right = prod(old[i:m]), prod(new[j:n])
            if left == right and prod(old_local[i:m]) == prod(new_local[j:n]):
                break
            m, n = min(m + (left <= right), len(old)), min(n + (right <= left), len(new))
        yield list(range(i, m)), list(range(j, n))
        i, j = m, n


def _some(walk: Walk, n: int, m: int) -> range:
    """Some m of n indices, others for every local network where there are enough."""
    mine = share(n, walk.k, walk.boxes)
    return mine if len(mine) == m else range(min(walk.k * m, n - m), min(walk.k * m, n - m) + m)


def _named(*names: str) -> list[Any]:
    """A function of torch, its twin in torch.nn.functional and the method, as far as there are such."""
    found = [getattr(home, name, None) for name in names for home in (torch, F)]
    return [each for each in (*found, *names, *(f"{name}_" for name in names)) if each is not None]


ZERO_PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(
        _named(
            "relu", "relu6", "elu", "selu", "celu", "gelu", "silu", "mish", "tanh", "sigmoid", "leaky_relu", "softplus",
            "softsign", "hardtanh", "hardswish", "hardsigmoid", "logsigmoid", "tanhshrink", "softshrink", "hardshrink",
            "add", "sub", "mul", "div", "maximum", "minimum", "neg", "abs", "exp", "square", "sqrt", "sin", "cos",
            "clamp", "pow",
        ),
        elementwise,
    ),
    **dict.fromkeys(
        [operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, operator.pow, operator.iadd,
         operator.isub, operator.imul, operator.itruediv],
        elementwise,
    ),
    **dict.fromkeys(
        _named("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "clone", "contiguous", "detach"),
        unchanged,
    ),
    **dict.fromkeys(_named("softmax", "log_softmax", "normalize"), over_features),
    **dict.fromkeys(_named("mean", "sum", "amax", "amin"), reduced),
    **dict.fromkeys(_named("reshape", "view"), reshaped),
    **dict.fromkeys(_named("flatten"), flattened),
    **dict.fromkeys(_named("permute"), permuted),
    **dict.fromkeys(_named("transpose", "swapaxes"), transposed),
    **dict.fromkeys(_named("unsqueeze"), unsqueezed),
    **dict.fromkeys(_named("squeeze"), squeezed),
    **dict.fromkeys(_named("cat", "concat", "concatenate"), concatenated),
    **dict.fromkeys(_named("stack"), stacked),
    **dict.fromkeys(_named("pad"), padded),
    **dict.fromkeys(_named("interpolate", "upsample"), enlarged),
    **dict.fromkeys(_named("size"), size),
    operator.getitem: item,
    getattr: attribute,
}  # fmt: skip
"""What functions and methods do."""

def _as_layer(kind: type[nn.Module], rule: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes what the layer of that kind takes."""
    return lambda walk, x, *args, **options: rule(walk, kind(*args, **options), x)


FUNCTIONS |= {
    getattr(F, f"{name}_pool{n}d"): _as_layer(getattr(nn, f"{kind}Pool{n}d"), rule)
    for n in (1, 2, 3)
    for name, kind, rule in (
        ("max", "Max", pooling),
        ("avg", "Avg", pooling),
        ("lp", "LP", pooling),
        ("adaptive_avg", "AdaptiveAvg", adaptive_pooling),
        ("adaptive_max", "AdaptiveMax", adaptive_pooling),
    )
}
FUNCTIONS |= {F.channel_shuffle: _as_layer(nn.ChannelShuffle, shuffled)}

MODULES: dict[type[nn.Module], Callable[..., Any]] = {
    **dict.fromkeys(
        [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
         nn.LPPool1d, nn.LPPool2d, nn.LPPool3d],
        pooling,
    ),
    **dict.fromkeys(
        [nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d,
         nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d],
        adaptive_pooling,
    ),
    **dict.fromkeys(
        [*ZERO_PADS, nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d, nn.ReplicationPad1d,
         nn.ReplicationPad2d, nn.ReplicationPad3d, nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d],
        padding_layer,
    ),
    nn.Upsample: upsampling,
    nn.ChannelShuffle: shuffled,
    nn.Unflatten: unflattened,
}  # fmt: skip
"""What layers without weights do that have options of their own."""

PLAIN: dict[type[nn.Module], Callable[..., Any]] = {
    **dict.fromkeys(
        [nn.ReLU, nn.ReLU6, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid, nn.LeakyReLU,
         nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.LogSigmoid, nn.Tanhshrink,
         nn.Softshrink, nn.Hardshrink, nn.Threshold],
        elementwise,
    ),
    **dict.fromkeys(
        [nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout],
        unchanged,
    ),
    **dict.fromkeys([nn.Softmax, nn.LogSoftmax, nn.Softmax2d, nn.Softmin], over_features),
}  # fmt: skip
"""Layers that are a function of their input alone."""
