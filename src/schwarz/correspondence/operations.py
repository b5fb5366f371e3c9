"""Operations without weights: what each does to the index maps of an activation.

A rule per kind of operation, whether it is called as a layer, a function or a method. What is not listed here or in
`layers` is refused by name.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from schwarz.cases import Case, Cause
from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import Axis
from schwarz.correspondence.layers import Walk, in_a_row, slid, through
from schwarz.correspondence.shaping import Sides, global_side, local_side, one_number, overlaid, union
from schwarz.task import Task
from schwarz.windows import Window


def elementwise(walk: Walk, *operands: Any, **options: Any) -> Activation:
    """Each value by itself, or with the value in the same place of other activations."""
    given, made = _joined(walk, operands, options)
    return replace(made, output=walk.side_by_side and all(each.output for each in given))


def added(walk: Walk, *operands: Any, **options: Any) -> Activation:
    """Sums, differences and the negative: of outputs they are outputs."""
    given, made = _joined(walk, operands, options)
    numbers = (*operands, *(value for name, value in options.items() if name != "alpha"))
    shifted = any(isinstance(each, (int, float, Sides)) and each != 0 for each in numbers) and not walk.averages
    return replace(made, output=all(each.output for each in given) and not shifted)


def product(walk: Walk, *operands: Any, **options: Any) -> Activation:
    """The output times a number is an output."""
    given, made = _joined(walk, operands, options)
    numbers = [each for each in (*operands, *options.values()) if not isinstance(each, Activation)]
    return replace(made, output=given[0].output and len(given) == 1 and all(map(_is_number, numbers)))


def quotient(walk: Walk, x: Any, *others: Any, **options: Any) -> Activation:
    """The output divided by a number is an output."""
    return (product if isinstance(x, Activation) else elementwise)(walk, x, *others, **options)


def _is_number(value: Any) -> bool:
    """A number, which is the same in the global and in the local network."""
    return isinstance(one_number(value), (int, float))


def _joined(walk: Walk, operands: Sequence[Any], options: Any) -> tuple[list[Activation], Activation]:
    """All activations of an operation, and what is made of them value by value."""
    given = [each for each in (*operands, *options.values()) if isinstance(each, Activation)]
    made = replace(given[0], behind=False)
    if len(given) > 1:
        given = _stretched(given)
        axes, causes = overlaid(walk, [each.axes for each in given])
        made = union(given, axes).blamed(*causes)
        if any(each.causes and _spread(each) < _spread(made) for each in given):
            reason = "joins a map with values made of the whole image, or of the box in a local network"
            made = made.blurred().blamed(Cause(walk.here, reason, "the same network without this gate"))
    if any(isinstance(each, Sides) and each.whole != each.local for each in (*operands, *options.values())):
        made = made.blamed(Cause(walk.here, "computes with a size that a box has smaller", "a number"))
    return given, made


def _spread(x: Activation) -> int:
    """Along how many axes it has places of the image."""
    return sum(axis.is_map for axis in x.axes)


def _stretched(given: Sequence[Activation]) -> list[Activation]:
    """An axis of one position that meets a longer one gives its value to all positions."""

    def longest(a: int) -> int:
        return max(each.axes[a].whole for each in given if len(each.axes) >= -a)

    spread = ((each, range(-len(each.axes), 0)) for each in given)
    return [each.read_whole([each.axes[a] for a in axes if each.axes[a].whole < longest(a)]) for each, axes in spread]


def unchanged(walk: Walk, x: Activation, *args: Any, **options: Any) -> Activation:
    """Identity, a copy, another dtype: the values themselves."""
    return x


def dropped(walk: Walk, x: Activation, p: float = 0.5, training: bool = True, inplace: bool = False) -> Activation:
    """Dropout as a function: the identity in eval mode, if it is told."""
    if training and p and not walk.training:
        x = x.blurred().blamed(Cause(walk.here, "drops at random in eval mode too", "training=self.training"))
    return x


def squashed(walk: Walk, x: Activation, *args: Any, **options: Any) -> Activation:
    """Sigmoids: behind the output they are the classification module of labels that do not exclude one another."""
    return replace(elementwise(walk, x), behind=x.output and walk.task is Task.CLASSIFICATION)


def over_classes(walk: Walk, x: Activation, dim: int | None = None, **options: Any) -> Activation:
    """Softmax: behind the output it leaves the logits what they are (2.17); over an axis that all networks have alike
    it is their own affair; elsewhere it mixes all networks."""
    if x.output and walk.task is Task.CLASSIFICATION:
        return replace(x, output=False, behind=True)
    if dim is not None and x.axes[dim].undivided:
        return replace(x, output=False, behind=False)
    return over_features(walk, x)


def softmax(walk: Walk, layer: Any, x: Activation) -> Activation:
    return over_classes(walk, x, getattr(layer, "dim", None))


def over_features(walk: Walk, x: Activation, *args: Any, **options: Any) -> Activation:
    """What makes features comparable with one another mixes those of all networks."""
    if all(axis.undivided for axis in x.axes):
        return replace(x, output=False, behind=False)
    cause = Cause(walk.here, "normalises over the features of all local networks", "no such layer inside")
    return replace(x.blurred(), output=False, behind=False).blamed(cause)


def pooling(walk: Walk, layer: Any, x: Activation) -> Activation:
    """Max, average and power-average pooling: as a convolution, channel by channel."""
    if getattr(layer, "return_indices", False):
        raise ValueError(f"layer {walk.here!r}: pooling that returns indices (return_indices) cannot be composed")
    places = x.axes[2:]

    def each(value: Any) -> Sequence[Any]:
        return value if isinstance(value, (tuple, list)) else (value,) * len(places)

    size, size_k = ([side(n) for n in each(side(layer.kernel_size))] for side in (global_side, local_side))
    if size != size_k:
        if (size, size_k) != ([axis.whole for axis in places], [axis.local for axis in places]):
            raise ValueError(f"operation {walk.here!r}: a window whose size depends on the box's cannot be composed")
        return _global_pooling(walk, layer, x, range(2, len(x.axes)))
    options = zip(
        size, each(layer.stride or size), each(getattr(layer, "padding", 0)),
        each(getattr(layer, "dilation", 1)), strict=True,
    )  # fmt: skip
    windows = [Window(k, s, (p, p), d, ceil_mode=layer.ceil_mode) for k, s, p, d in options]
    return slid(
        walk, replace(x, axes=(*x.axes[:2], *through(walk, places, windows)), output=False, behind=False), x, layer
    )


def _global_pooling(walk: Walk, layer: Any, x: Activation, axes: Sequence[int]) -> Activation:
    """One value for all positions of these axes."""
    rule = reduced if "Avg" in type(layer).__name__ else largest
    return rule(walk, x, tuple(axes), True)


def adaptive_pooling(walk: Walk, layer: Any, x: Activation) -> Activation:
    """To one position: the mean or maximum of the map. To more: bins whose size depends on the map's."""
    places = x.axes[2:]
    wanted = layer.output_size if isinstance(layer.output_size, (tuple, list)) else (layer.output_size,) * len(places)
    if all(n in (1, None) for n in wanted):
        return _global_pooling(walk, layer, x, [a for a, n in enumerate(wanted, 2) if n == 1])
    if all(axis.undivided for axis in places):
        kept = (axis if n is None else Axis.all(n) for axis, n in zip(places, wanted, strict=True))
        return replace(x, axes=(*x.axes[:2], *kept), output=False, behind=False)
    sizes = " x ".join("all" if n is None else str(n) for n in wanted)
    reason = f"divides the map into {sizes} bins; a local network divides its box into as many"
    bins = (axis if n is None else axis.binned(n) for axis, n in zip(places, wanted, strict=True))
    after = replace(x, axes=(*x.axes[:2], *bins), output=False, behind=False)
    return after.blamed(Cause(walk.here, reason, "pooling by a fixed window"))


def reduced(walk: Walk, x: Activation, dim: Any = None, keepdim: bool = False, **options: Any) -> Activation:
    """One value for all positions of some axes: their mean or sum."""
    axes = options.get("axis", dim)
    axes = range(len(x.axes)) if axes is None else (axes,) if isinstance(axes, int) else axes
    gone = sorted({a % len(x.axes) for a in axes})
    read = [x.axes[a] for a in gone]
    undivided = all(axis.undivided for axis in read)
    x = x.read_whole(read)
    kept = [axis if a not in gone else Axis.all(1) for a, axis in enumerate(x.axes) if a not in gone or keepdim]
    after = replace(x, axes=tuple(kept), behind=False)
    if undivided:
        return after
    if any(axis.spatial for axis in read):
        cause = Cause(walk.here, "pools the whole map; a local network has its box only", "flatten", Case.FIELD)
        return replace(after.blamed(cause), shrinks=())
    cause = Cause(walk.here, "reduces over the features of all local networks", "a dense layer")
    return replace(after, output=False, behind=False).blamed(cause)


def largest(walk: Walk, x: Activation, dim: Any = None, keepdim: bool = False, **options: Any) -> Activation:
    """The maximum or minimum of all positions of some axes: that of a sum is not the sum of those."""
    after = reduced(walk, x, dim, keepdim, **options)
    return replace(after, output=x.output and after.causes != x.causes)


def upsampling(walk: Walk, layer: Any, x: Activation) -> Activation:
    return enlarged(walk, x, layer.size, layer.scale_factor, layer.mode, layer.align_corners)


def enlarged(
    walk: Walk, x: Activation, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, **options: Any,
) -> Activation:  # fmt: skip
    """By a whole factor, nearest or linear; align_corners stretches a box by another factor than the image."""
    places = in_a_row(walk, x.axes[2:])
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * len(places)
    if size is not None:
        size = size if isinstance(size, (tuple, list, Sides)) else (size,) * len(places)
        factors = [
            _factor(axis, n, n_k) for axis, n, n_k in zip(places, global_side(size), local_side(size), strict=True)
        ]
    known = [int(factor) for factor in factors if factor is not None and factor % 1 == 0]
    if mode not in ("nearest", "linear", "bilinear", "trilinear") or len(known) < len(places):
        raise ValueError(f"layer {walk.here!r}: up-sampling {mode!r} to a size, or by a fraction, cannot be composed")
    moved = [axis.enlarged(factor, mode != "nearest") for axis, factor in zip(places, known, strict=True)]
    after = replace(x, axes=(*x.axes[:2], *moved), output=False, behind=False)
    if mode != "nearest":
        after = slid(walk, after, x)
    if align_corners and not all(axis.undivided for axis in places):
        cause = Cause(walk.here, "aligns the corners of the map, not of the box", "align_corners=False")
        after = after.blurred().blamed(cause)
    return after


def _factor(axis: Axis, n: int, n_k: int) -> float | None:
    """By how much an axis grows to n positions, if it does by as much in the box."""
    return n / axis.whole if n * axis.local == n_k * axis.whole else None


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
