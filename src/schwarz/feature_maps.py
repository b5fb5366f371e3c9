"""Feature maps of local networks beside those of the composed network: what Figure 3.7 of document 3 shows.

(2.15) says that they are equal on the activation field of a box. A `Pair` is one channel of one local network and the
channel of the composed network that was made of it, on the same image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx, nn

from schwarz.composition import matched
from schwarz.correspondence import Activation, Correspondence, in_step
from schwarz.correspondence.rules import is_activation
from schwarz.correspondence.tracing import name_of
from schwarz.partition import Box, Partition
from schwarz.theory import on_the_field
from schwarz.windows import Interval

LAYERS = (1, 3, 5)
"""The layers of Figure 3.7: what the first, third and fifth activation function gives."""
BOXES = 4
"""Local networks that are shown at most."""
SIDE = 64
"""Larger maps are thinned to so many pixels a side."""


@dataclass(frozen=True)
class Pair:
    """Channel `channel` of the composed network and of local network `box`, on image `image`."""

    image: int
    box: int
    layer: int
    """Its number among the activation functions, from 1."""
    name: str
    channel: int
    shape: tuple[int, int]
    """Of the whole map; the arrays below may be thinned."""
    seen: Box
    """The box, in pixels of the image."""
    field: tuple[Interval, Interval]
    """The activation field; empty where a start is not before its stop."""
    claimed: bool
    """Whether (2.15) is claimed there."""
    gap: float
    """The largest difference where the two must agree, of all channels of this local network."""
    local: np.ndarray
    """The local map at its place in the whole one, NaN elsewhere."""
    whole: np.ndarray


def feature_maps(
    module: nn.Module, locals_: Sequence[nn.Module], partition: Partition, x: Tensor, layers: Sequence[int] = LAYERS
) -> list[Pair]:
    """Pairs by image, box and layer, for images x [n, C, H, W]; of every map the channel that varies most, on the
    second image the next, and so on. The networks are taken as they are: put them in eval mode.

    Empty for a network without maps; ValueError for other images than those of two axes.
    """
    if len(partition.shape) != 2:
        raise ValueError(f"feature maps are drawn of images of two axes, the partition has {len(partition.shape)}")
    found = matched(module, locals_, partition, input_shape=tuple(x.shape[1:]))
    numbers = {node: number for number, node in enumerate(_activations(found), 1) if number in layers}
    shown = sorted({round(k) for k in np.linspace(0, len(partition) - 1, BOXES)})
    pairs: list[Pair] = []
    with torch.no_grad():
        for node, whole, parts in in_step(found, locals_, x):
            if node in numbers:
                pairs += (
                    _pair(found, node, numbers[node], k, image, parts[k], whole)
                    for k in shown
                    for image in range(len(x))
                )
    return sorted(pairs, key=lambda pair: (pair.image, pair.box, pair.layer))


def _activations(found: Correspondence) -> Iterator[fx.Node]:
    """The activation functions on maps, in the order of the network."""
    for node, value in found.nodes[0].items():
        if is_activation(found.graph, node) and isinstance(value, Activation) and value.is_map:
            yield node


def _pair(found: Correspondence, node: fx.Node, layer: int, k: int, image: int, local: Tensor, whole: Tensor) -> Pair:
    """One channel of the maps [n, channels, h, w] of local network k and of the composed network."""
    here = found.nodes[k][node]
    _, channels, *axes = here.axes
    sides = on_the_field(here, local[image : image + 1], whole[image : image + 1])
    local, whole = local[image].cpu(), whole[image].cpu()
    chosen = int(local.flatten(1).std(1, correction=0).argsort(descending=True, stable=True)[image % len(local)])
    shown = whole[channels.index[chosen]]
    at_rows, at_columns = ((axis.index >= 0).nonzero()[:, 0] for axis in axes)  # local positions that have a place
    placed = torch.full(shown.shape, torch.nan, dtype=shown.dtype)
    placed[axes[0].index[at_rows][:, None], axes[1].index[at_columns]] = local[chosen, at_rows[:, None], at_columns]
    return Pair(
        image, k, layer, name_of(node), int(channels.index[chosen]), (shown.shape[0], shown.shape[1]),
        found.partition.boxes[k], (axes[0].field, axes[1].field), found.agree(node, k),
        0.0 if sides is None else float((sides[0] - sides[1]).abs().max()), _thinned(placed), _thinned(shown),
    )  # fmt: skip


def _thinned(values: Tensor) -> np.ndarray:
    """At most SIDE pixels a side, each the one at its middle."""
    step = max(1.0, max(values.shape) / SIDE)
    kept = [((np.arange(max(1, round(n / step))) + 0.5) * step).astype(int).clip(0, n - 1) for n in values.shape]
    return values.float().numpy()[np.ix_(*kept)]
