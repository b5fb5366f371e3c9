"""Layers that work on each value by itself with values of its channel, and those that normalise by others.

Statistics stored for a channel go where the channel goes. Statistics of the image at hand are those of its box in a
local network: never exact.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from schwarz.cases import Cause
from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import Axis
from schwarz.correspondence.layers import Fit, Walk, dtype_of, kind_of, like, too_small

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
LATER = "no such layer before the first convolution or dense layer, nor behind the last"


def batch_norm(walk: Walk, layer: Any, x: Activation) -> Activation:
    """Scale, shift and statistics stored for a channel go where the channel goes."""
    _given(walk, x.axes[1:2], (layer.num_features,))
    by_itself = isinstance(layer, INSTANCE_NORMS) and not layer.track_running_stats
    if by_itself and x.axes[2:] and all(axis.local == 1 for axis in x.axes[2:]):
        raise too_small(walk, x.axes[2], "normalises each map by its own values")
    names = ("weight", "bias", "running_mean", "running_var")
    make = partial(
        kind_of(layer, (*BATCH_NORMS, *INSTANCE_NORMS)), x.axes[1].local, layer.eps, layer.momentum, layer.affine,
        layer.track_running_stats, **dtype_of(layer),
    )  # fmt: skip
    after = _kept(walk, layer, x, Fit(make, dict.fromkeys(names, (x.axes[1].index,)), alone=LATER))
    if layer.track_running_stats:
        return after
    return _by_the_image(walk, after, "statistics stored for each channel (BatchNorm)")


def layer_norm(walk: Walk, layer: Any, x: Activation) -> Activation:
    """LayerNorm and RMSNorm: over the last axes, which hold features of all networks, or places of the image."""
    axes = x.axes[-len(layer.normalized_shape) :]
    _given(walk, axes, layer.normalized_shape)
    index = tuple(axis.index.reshape(-1, *[1] * (len(axes) - 1 - a)) for a, axis in enumerate(axes))
    shape = [axis.local for axis in axes]
    options = {"elementwise_affine": layer.elementwise_affine, **dtype_of(layer)}
    if isinstance(layer, nn.LayerNorm):
        options["bias"] = layer.bias is not None
    make = partial(kind_of(layer, (nn.LayerNorm, nn.RMSNorm)), shape, layer.eps, **options)
    after = _kept(walk, layer, x, Fit(make, {"weight": index, "bias": index}, alone=LATER))
    return _by_the_image(walk, after, "statistics stored for each channel (BatchNorm)", axes)


def group_norm(walk: Walk, layer: nn.GroupNorm, x: Activation) -> Activation:
    """Over the whole map: in a local network, over its box."""
    _given(walk, x.axes[1:2], (layer.num_channels,))
    channels = x.axes[1]
    most = max(1, layer.num_groups * channels.local // channels.whole)
    groups = max(g for g in range(1, most + 1) if channels.local % g == 0)
    make = partial(nn.GroupNorm, groups, channels.local, layer.eps, layer.affine, **dtype_of(layer))
    where = (channels.index,)
    after = _kept(walk, layer, x, Fit(make, {"weight": where, "bias": where}, alone=LATER))
    return _by_the_image(walk, after, "statistics stored for each channel (BatchNorm)")


def prelu(walk: Walk, layer: nn.PReLU, x: Activation) -> Activation:
    """A slope for each channel goes with it; one for all cannot be what every local network learned."""
    one = layer.num_parameters == 1
    _given(walk, x.axes[1:2], (layer.num_parameters,) if not one else x.shape[1:2])
    slopes = torch.zeros(1, dtype=torch.long) if one else x.axes[1].index
    make = partial(nn.PReLU, len(slopes), **like(layer.weight))
    return _kept(walk, layer, x, Fit(make, {"weight": (slopes,)}, alone="PReLU with a slope per channel"))


def _given(walk: Walk, axes: Sequence[Axis], sizes: Sequence[int]) -> None:
    have = [axis.whole for axis in axes]
    if have != list(sizes):
        raise ValueError(f"layer {walk.here!r} takes {list(sizes)} channels, but is given {have}")


def _kept(walk: Walk, layer: Any, x: Activation, fit: Fit) -> Activation:
    """What a layer that works on each value by itself does."""
    return replace(x, output=False, behind=False).blamed(*walk.fit(layer, fit))


def _by_the_image(walk: Walk, x: Activation, nearest: str, axes: Sequence[Axis] = ()) -> Activation:
    """Statistics of the image at hand: of its box in a local network."""
    if walk.boxes == 1 and all(axis.undivided for axis in x.axes):
        return x
    what = "of all local networks together" if axes and not x.is_map else "of the whole image"
    return x.blurred().blamed(Cause(walk.here, f"normalises by the values {what}", nearest))
