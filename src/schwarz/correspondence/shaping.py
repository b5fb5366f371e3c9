"""Operations that move values without changing them: reshaping, joining, cropping, padding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import nn

from schwarz.cases import Cause, merged
from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import Axis, joined, multiplied, share, split
from schwarz.correspondence.layers import Walk, charged, through
from schwarz.windows import Window


@dataclass(frozen=True)
class Sides:
    """A value that is one thing in the global network and another in the local one: a size, say."""

    whole: Any
    local: Any


def global_side(value: Any) -> Any:
    """The global side of an argument, or of a tuple of them."""
    if isinstance(value, (tuple, list)):
        return tuple(map(global_side, value))
    return value.whole if isinstance(value, Sides) else value


def local_side(value: Any) -> Any:
    """The local side of an argument, or of a tuple of them."""
    if isinstance(value, (tuple, list)):
        return tuple(map(local_side, value))
    return value.local if isinstance(value, Sides) else value


def reshaped(walk: Walk, x: Activation, *sizes: Any, shape: Any = None) -> Activation:
    """Axes are merged and split; where a split leaves no index map, networks get their share of the new axis."""
    given = sizes if shape is None else (shape,)
    wanted = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list, Sides)) else given
    to = _sizes(walk, x.shape, global_side(wanted))
    to_local = _sizes(walk, x.local_shape, local_side(wanted))
    axes: list[Axis] = []
    for old, new in _groups(x.shape, x.local_shape, to, to_local):
        parts = [x.axes[a] for a in old]
        if len(old) == len(new) == 1:
            axes += parts
            continue
        x = x.read_whole(parts)
        together, wholes, locals_ = multiplied(parts), [to[a] for a in new], [to_local[a] for a in new]
        made = [together] if len(new) == 1 else split(together, wholes, locals_)
        if made is None:
            reason = "splits channels so that those of a local network are no block of the parts"
            x = x.blamed(Cause(walk.here, reason, "nn.ChannelShuffle where it is one, or no reordering"))
            made = [Axis.of(n, _some(walk, n, m)) for n, m in zip(wholes, locals_, strict=True)]
        axes += made
    after = replace(x, axes=tuple(axes))
    return after.fieldless() if x.mixed else after


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
    """Refused: features have no places in an image."""
    raise ValueError(f"layer {walk.here!r}: Unflatten makes places of features, which no box has")


def permuted(walk: Walk, x: Activation, *axes: Any, dims: Any = None) -> Activation:
    given = axes if dims is None else (dims,)
    order = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
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
    if any(x.axes[d].local == 1 != x.axes[d].whole for d in dims):
        raise ValueError(f"operation {walk.here!r}: squeezes an axis that is 1 in box {walk.k} alone")
    x = x.read_whole([x.axes[a] for a in gone])
    return replace(x, axes=tuple(axis for a, axis in enumerate(x.axes) if a not in gone))


def concatenated(walk: Walk, tensors: Sequence[Activation], dim: int = 0, axis: int | None = None) -> Activation:
    """The other axes must be the same places; the joined one keeps the blocks of each part."""
    parts = tensors
    at = (dim if axis is None else axis) % len(parts[0].axes)
    if any(part.axes[at].spatial and not part.axes[at].undivided for part in parts):
        raise ValueError(f"operation {walk.here!r} joins maps along a partitioned axis: it cannot be composed")
    others, causes = overlaid(walk, [[*part.axes[:at], Axis.all(1), *part.axes[at + 1 :]] for part in parts])
    axes = (*others[:at], joined([part.axes[at] for part in parts]), *others[at + 1 :])
    return replace(union(parts, axes), output=all(part.output for part in parts)).blamed(*causes)


def union(parts: Sequence[Activation], axes: tuple[Axis, ...]) -> Activation:
    """What is made of several activations: whatever is true of one of them."""
    causes, shrinks = merged(*(part.causes for part in parts)), merged(*(part.shrinks for part in parts))
    made = Activation(axes, causes, shrinks, mixed=any(part.mixed for part in parts))
    return made.fieldless() if made.mixed else made


def stacked(walk: Walk, parts: Sequence[Activation], dim: int = 0) -> Activation:
    return concatenated(walk, [unsqueezed(walk, part, dim) for part in parts], dim)


def item(walk: Walk, x: Any, key: Any) -> Any:
    """Slices crop; a number picks one index of an axis that all networks have alike."""
    if not isinstance(x, Activation):
        return x[key]
    keys = [one_number(each) for each in (key if isinstance(key, tuple) else (key,))]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        some = len(x.axes) - sum(each is not None for each in keys) + 1
        keys[at : at + 1] = [slice(None)] * some
    axes, rest, pairs = [], list(x.axes), []
    for each in keys:
        if each is None:
            axes.append(Axis.all(1))
            continue
        axis = rest.pop(0)
        if isinstance(each, slice):
            axes.append(_cropped(walk, axis, each))
            pairs.append((axis, axes[-1]))
        elif not isinstance(each, int) or not axis.undivided:
            raise ValueError(
                f"operation {walk.here!r} picks position {each!r} of an axis that is cut, where every box has its own: "
                "leave that axis whole"
            )
    why = "takes other positions of a box than of the image", "a crop of what the cuts touch: as much at either end"
    return charged(walk, replace(x, axes=(*axes, *rest)), pairs, why)


def one_number(value: Any) -> Any:
    """A size that is the same in both networks is a number."""
    return value.whole if isinstance(value, Sides) and value.whole == value.local else value


def padded(walk: Walk, x: Activation, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Activation:
    """So many positions around, or fewer where the padding is negative."""
    axes = list(x.axes)
    for a, by in enumerate(zip(pad[::2], pad[1::2], strict=True), 1):
        if any(by) and not axes[-a].in_a_row:
            raise ValueError(
                f"operation {walk.here!r} pads channels that local networks share among them: it cannot be composed; a "
                "1x1 convolution to more channels can"
            )
        if mode == "constant":
            axes[-a] = axes[-a].padded(by, by)
        else:
            window = Window(1, padding=by, mode=mode)
            (axes[-a],) = through(walk, (axes[-a],), (window,))
    why = "pads at the cuts, where the global network has pixels", "no padding"
    return charged(
        walk, replace(x, axes=tuple(axes), output=False, behind=False), list(zip(x.axes, axes, strict=True)), why
    )


def padding_layer(walk: Walk, layer: Any, x: Activation) -> Activation:
    kind = type(layer).__name__
    modes = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}
    return padded(walk, x, layer.padding, next((modes[m] for m in modes if kind.startswith(m)), "constant"))


def size(walk: Walk, x: Activation, dim: int | None = None) -> Sides:
    """Its shape, on both sides."""
    sides = torch.Size(x.shape), torch.Size(x.local_shape)
    return Sides(*sides) if dim is None else Sides(*(side[dim] for side in sides))


def attribute(walk: Walk, x: Any, name: str) -> Any:
    if isinstance(x, Activation) and name == "shape":
        return size(walk, x)
    if isinstance(x, Activation) and name == "ndim":
        return len(x.axes)
    raise ValueError(f"operation {walk.here!r}: attribute {name!r} cannot be composed")


def overlaid(walk: Walk, given: Sequence[Sequence[Axis]]) -> tuple[tuple[Axis, ...], tuple[Cause, ...]]:
    """The axes of several activations, the last ones of each above one another, an axis of one stretched."""
    axes: list[Axis] = []
    causes: tuple[Cause, ...] = ()
    for a in range(1, max(map(len, given)) + 1):
        here = [each[-a] for each in given if len(each) >= a]
        wide = [axis for axis in here if axis.whole > 1] or here[:1]
        met = wide[0]
        for other in wide[1:]:
            if met.local != other.local or met.whole != other.whole:
                raise ValueError(
                    f"operation {walk.here!r} joins {met.whole} and {other.whole} positions along axis {-a}, in local "
                    f"network {walk.k} {met.local} and {other.local}: crop both alike, as in x[..., 1:-1]"
                )
            if not met.meets(other):
                what = "maps whose boxes begin at different places" if met.spatial else "channels of different places"
                causes += (Cause(walk.here, f"joins {what}", "branches with equal strides, crops and widths"),)
            met = met.both(other)
        axes.insert(0, met)
    return tuple(axes), causes


def _cropped(walk: Walk, axis: Axis, part: slice) -> Axis:
    """A slice of an axis."""
    if part == slice(None):
        return axis
    if not axis.spatial and not axis.undivided:
        raise ValueError(f"operation {walk.here!r}: a slice of channels that local networks share has no index map")
    sides = ((global_side, axis.whole), (local_side, axis.local))
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
            f"operation {walk.here!r}: shape {list(wanted)} does not fit the {list(now[1:])} of box {walk.k}: take "
            "sizes from x.shape, or flatten, so that it fits a box too"
        )
    return sizes


def _groups(
    old: Sequence[int], old_local: Sequence[int], new: Sequence[int], new_local: Sequence[int]
) -> Iterable[tuple[list[int], list[int]]]:
    """Which axes of one shape together make which of the other, on both sides."""
    i = j = 0
    while i < len(old) or j < len(new):
        lone, lone_new = i < len(old) and old[i] == old_local[i] == 1, j < len(new) and new[j] == new_local[j] == 1
        if lone != lone_new:  # an axis of one position comes or goes by itself
            yield ([i], []) if lone else ([], [j])
            i, j = i + lone, j + lone_new
            continue
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
