"""Random networks that are real `nn.Module`s, written as a user writes them, and random boxes for them.

`exact_examples` draws what document 3 calls exact: no padding at the cuts, starts that all strides divide.
`tests.property.wild_networks` draws whatever torch can run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from math import prod
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from schwarz.partition import Box, Partition
from tests.models import Crop, Joined, Residual

SIDE = {1: 40, 2: 18, 3: 11}
"""Pixels along each axis of an image with so many."""
CONV: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORM: tuple[Any, ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
INSTANCE: tuple[Any, ...] = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
MAX: tuple[Any, ...] = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
MEAN: tuple[Any, ...] = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
BACK: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
ACTIVATIONS: list[Any] = [nn.ReLU, nn.Tanh, nn.GELU, nn.LeakyReLU, nn.Sigmoid, nn.ELU, nn.Identity, nn.Dropout]


class Network(nn.Module):
    """Layers on maps, then the flattened map, dense layers and the outputs."""

    def __init__(self, features: Sequence[nn.Module], dense: Sequence[nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.dense = nn.Sequential(*dense)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.features(x).flatten(1))


@dataclass
class Example:
    """A network with the boxes it is to be cut for."""

    network: nn.Module
    partition: Partition
    shape: tuple[int, ...]
    seed: int


@dataclass
class Plan:
    """A network under construction: what its maps look like and what it needs of a box."""

    axes: int
    boxes: int
    channels: int
    whole: tuple[int, ...]
    layers: list[nn.Module] = field(default_factory=list)
    windows: list[list[tuple[int, int]]] = field(default_factory=list)
    """For each window (reach, stride) along each axis."""
    divided: bool = False
    """Whether the channels are no longer the image's, which every local network has."""
    joined: bool = False
    """Whether the channels of a local network are apart, so that only depthwise groups are exact."""

    def needs(self, extra: list[tuple[int, int]] | None = None) -> tuple[int, ...]:
        """Pixels along each axis from which one position is left."""
        sizes, windows = [1] * self.axes, [*self.windows, *([extra] if extra else [])]
        for window in windows[::-1]:
            sizes = [(n - 1) * stride + reach + 1 for n, (reach, stride) in zip(sizes, window, strict=True)]
        return tuple(sizes)

    @property
    def stride(self) -> tuple[int, ...]:
        return tuple(prod(window[a][1] for window in self.windows) for a in range(self.axes))

    def add(self, layer: nn.Module, window: list[tuple[int, int]] | None = None) -> None:
        self.layers.append(layer)
        if window:
            self.windows.append(window)


def each(draw: Any, strategy: st.SearchStrategy[int], axes: int) -> tuple[int, ...]:
    return tuple(draw(strategy) for _ in range(axes))


def _width(draw: Any, plan: Plan) -> int:
    return draw(st.integers(plan.boxes, plan.boxes + 3)) * draw(st.sampled_from([1, 1, 2]))


def _convolution(draw: Any, plan: Plan) -> tuple[nn.Module, list[tuple[int, int]], int]:
    """A convolution of any kind that (2.12) composes, its windows, its output channels."""
    kernel, dilation = each(draw, st.integers(1, 3), plan.axes), each(draw, st.sampled_from([1, 1, 2]), plan.axes)
    stride = each(draw, st.sampled_from([1, 1, 1, 2]), plan.axes)
    groups, out = 1, _width(draw, plan)
    kinds = ["plain", "plain", "depthwise"]
    if plan.divided and not plan.joined and plan.channels % 2 == 0 and plan.channels // 2 >= plan.boxes:
        kinds.append("pairs")
    match draw(st.sampled_from(kinds)):
        case "depthwise":
            groups = plan.channels
            out = groups * (draw(st.integers(1, 2)) if plan.divided else draw(st.integers(plan.boxes, plan.boxes + 1)))
        case "pairs":
            groups = plan.channels // 2
            out = groups * draw(st.integers(1, 2))
    layer = CONV[plan.axes - 1](
        plan.channels, out, kernel, stride, dilation=dilation, groups=groups, bias=draw(st.booleans())
    )
    return layer, [(d * (k - 1), s) for k, s, d in zip(kernel, stride, dilation, strict=True)], out


def _branches(draw: Any, plan: Plan) -> None:
    """A convolution beside a cropped shortcut, added or joined."""
    kernel = each(draw, st.integers(1, 3), plan.axes)
    window = [(k - 1, 1) for k in kernel]
    low = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    crop = Crop(low, [k - 1 - a for k, a in zip(kernel, low, strict=True)])
    conv = CONV[plan.axes - 1]
    if plan.divided and not plan.joined and draw(st.booleans()):
        plan.add(Residual(conv(plan.channels, plan.channels, kernel), crop), window)
        return
    out = _width(draw, plan)
    if draw(st.booleans()):
        body, shortcut = conv(plan.channels, out, kernel), nn.Sequential(crop, conv(plan.channels, out, 1))
        plan.add(Residual(body, shortcut), window)
        plan.channels, plan.divided, plan.joined = out, True, False
    elif plan.divided:
        plan.add(Joined(conv(plan.channels, out, kernel), crop), window)
        plan.channels, plan.joined = plan.channels + out, True


def _pooling(draw: Any, plan: Plan) -> tuple[nn.Module, list[tuple[int, int]]]:
    kernel, stride = each(draw, st.integers(1, 3), plan.axes), each(draw, st.integers(1, 2), plan.axes)
    kind = draw(st.sampled_from([MAX, MEAN]))[plan.axes - 1]
    return kind(kernel, stride), [(k - 1, s) for k, s in zip(kernel, stride, strict=True)]


def _extend(draw: Any, plan: Plan) -> None:
    """One more layer, if the boxes can stay half as large as the image."""
    room = tuple(n // 2 for n in plan.whole)
    match draw(st.sampled_from(["convolution", "convolution", "branches", "pooling", "norm", "activation"])):
        case "convolution":
            layer, window, out = _convolution(draw, plan)
            if all(n <= most for n, most in zip(plan.needs(window), room, strict=True)):
                plan.add(layer, window)
                plan.joined = (plan.joined or not plan.divided) and getattr(layer, "groups", 1) > 1
                plan.channels, plan.divided = out, True
        case "branches":
            if all(n <= most for n, most in zip(plan.needs([(2, 1)] * plan.axes), room, strict=True)):
                _branches(draw, plan)
        case "pooling":
            layer, window = _pooling(draw, plan)
            if all(n <= most for n, most in zip(plan.needs(window), room, strict=True)):
                plan.add(layer, window)
        case "norm" if plan.divided:
            kind = draw(st.sampled_from([NORM, NORM, INSTANCE]))[plan.axes - 1]
            plan.add(kind(plan.channels, affine=draw(st.booleans()), track_running_stats=True))
        case "activation":
            plan.add(draw(st.sampled_from(ACTIVATIONS))())


LAYOUTS = {1: [(2,), (3,), (4,)], 2: [(2, 2), (1, 2), (3, 1)], 3: [(1, 2, 2), (2, 1, 1)]}
"""Boxes along each axis."""


@st.composite
def grids(draw: Any, plan: Plan, layout: tuple[int, ...]) -> Partition:
    """Boxes side by side that cover the image, those of an axis overlapping all or not at all; fewer than `layout` says
    where so many do not fit."""
    axes = []
    for n, small, s, pieces in zip(plan.whole, plan.needs(), plan.stride, layout, strict=True):
        cuts = [0, *(s * round(i * n / pieces / s) for i in range(1, pieces)), n]
        if any(b - a < small for a, b in pairwise(cuts)):
            cuts = [0, n]
        overlap = s * draw(st.sampled_from([0, 0, 1]))
        axes.append([(max(0, a - overlap), min(n, b + overlap)) for a, b in pairwise(cuts)])
    return Partition(plan.whole, tuple(Box(spans) for spans in product(*axes)))


@st.composite
def anywhere(draw: Any, plan: Plan, aligned: bool = True) -> Partition:
    """Boxes of any size from what the network needs on, overlapping or not, covering or not."""
    drawn = []
    for _ in range(plan.boxes):
        spans = []
        for n, small, stride in zip(plan.whole, plan.needs(), plan.stride, strict=True):
            s = stride if aligned else 1
            start = s * draw(st.integers(0, (n - small) // s))
            spans.append((start, draw(st.integers(start + small, n))))
        drawn.append(Box(tuple(spans)))
    return Partition(plan.whole, tuple(drawn))


def sized(features: Sequence[nn.Module], shape: tuple[int, ...]) -> int:
    """Values of the flattened map."""
    module = nn.Sequential(*features).eval()
    with torch.no_grad():
        return module(torch.zeros(1, *shape)).numel()


@st.composite
def heads(draw: Any, features: int, least: int, outputs: int) -> list[nn.Module]:
    """Up to two hidden dense layers, then the outputs."""
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(0, 2))):
        width = draw(st.integers(least, least + 4))
        layers += [nn.Linear(features, width, draw(st.booleans())), nn.Tanh()]
        if draw(st.booleans()):
            layers.append(nn.BatchNorm1d(width))
        features = width
    return [*layers, nn.Linear(features, outputs, draw(st.booleans()))]


@st.composite
def exact_examples(draw: Any) -> Example:
    """Networks of which Theorem 2.1 promises the whole, in 1, 2 and 3 dimensions, and boxes that all strides divide."""
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    layout = draw(st.none() | st.sampled_from(LAYOUTS[axes]))
    count, channels = prod(layout) if layout else draw(st.integers(1, 3)), draw(st.integers(1, 3))
    plan = Plan(axes, count, channels, (SIDE[axes],) * axes)
    for _ in range(draw(st.integers(2, 8))):
        _extend(draw, plan)
    shape, seed = (channels, *plan.whole), draw(st.integers(0, 2**20))
    torch.manual_seed(seed)
    dense = draw(heads(sized(plan.layers, shape), count, draw(st.integers(1, 4))))
    partition = draw(grids(plan, layout) if layout else anywhere(plan))
    return Example(Network(plan.layers, dense).double(), partition, shape, seed)


@st.composite
def autoencoder_examples(draw: Any, overlap: bool) -> Example:
    """Dense autoencoders of rows of features and of images; they end in as many values as they are given."""
    shape, axes = draw(st.sampled_from([((17,), 1), ((2, 13), 1), ((6, 8), 2), ((2, 6, 8), 2)]))
    layout = draw(st.sampled_from([(3,), (4,)] if axes == 1 else [(2, 2), (3, 1)]))
    partition = Partition.grid(shape[-axes:], layout, overlap=draw(st.integers(1, 2)) if overlap else 0)
    seed = draw(st.integers(0, 2**20))
    torch.manual_seed(seed)
    dense = draw(heads(prod(shape), len(partition), prod(shape)))
    if not overlap and draw(st.booleans()):
        dense.append(nn.Sigmoid())
    return Example(nn.Sequential(nn.Flatten(), *dense).double(), partition, shape, seed)
