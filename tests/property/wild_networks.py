"""Random networks of whatever torch can run, cut anywhere: what a composition claims of them must hold all the same."""

from collections.abc import Sequence
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from schwarz.partition import Box, Partition
from tests.property.networks import BACK, CONV, INSTANCE, MAX, MEAN, NORM, Example, Joined, Network, Residual, each

SIDE = {1: 24, 2: 14, 3: 8}
ADAPTIVE: tuple[Any, ...] = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
LINEAR = ("linear", "bilinear", "trilinear")


class Sliced(nn.Module):
    """Any slices of the places."""

    def __init__(self, slices: Sequence[slice]) -> None:
        super().__init__()
        self.slices = (slice(None), slice(None), *slices)

    def forward(self, x: Tensor) -> Tensor:
        return x[self.slices]


class Half(nn.Module):
    """The first half of an axis, by its own size."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : x.shape[-1] // 2]


class Padded(nn.Module):
    """torch's function; negative padding crops."""

    def __init__(self, by: Sequence[int], mode: str) -> None:
        super().__init__()
        self.by = list(by)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.by, self.mode)


class Gate(nn.Module):
    """Squeeze-excite's: every channel times a number that the whole map gave."""

    def __init__(self, axes: int, channels: int, read: int, pooled: bool) -> None:
        super().__init__()
        self.ones = [1] * axes
        self.weigh = nn.Linear(read, channels)
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        gate = self.weigh(x.flatten(2).mean(2) if self.pooled else x.flatten(1)).sigmoid()
        return x * gate.reshape(gate.size(0), gate.size(1), *self.ones)


class Scaled(nn.Module):
    """Divided by the size of the map."""

    def forward(self, x: Tensor) -> Tensor:
        return x / x.shape[-1]


class Pooled(nn.Module):
    """A network without places: the mean or maximum of every channel, then the outputs."""

    def __init__(self, features: Sequence[nn.Module], dense: nn.Module, largest: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.dense = dense
        self.largest = largest

    def forward(self, x: Tensor) -> Tensor:
        maps = self.features(x).flatten(2)
        return self.dense(maps.amax(2) if self.largest else maps.mean(2))


class Ended(nn.Module):
    """A network with something behind its output."""

    def __init__(self, network: nn.Module, end: str) -> None:
        super().__init__()
        self.network = network
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        y = self.network(x)
        if self.end == "relu":
            return y.relu()
        if self.end == "square":
            return y * y
        if self.end == "shift":
            return 1 - y
        if self.end == "double":
            return 2 * y
        return y.amax(1, keepdim=True)


def _convolution(draw: Any, axes: int, c: int, width: int) -> nn.Module:
    kernel, dilation = each(draw, st.integers(1, 4), axes), each(draw, st.sampled_from([1, 1, 2]), axes)
    mode = draw(st.sampled_from(["zeros", "zeros", "zeros", "reflect", "replicate", "circular"]))
    groups = draw(st.sampled_from([1, 1, 1, 2, c]))
    if c % groups:
        groups = 1
    out = width if groups == 1 else groups * draw(st.integers(1, 2))
    if draw(st.integers(0, 3)) == 0:
        odd = tuple(k - 1 + k % 2 for k in kernel)  # torch warns of even ones
        return CONV[axes - 1](c, out, odd, padding="same", dilation=dilation, groups=groups)
    padding = tuple(draw(st.integers(0, 2)) for _ in kernel)
    return CONV[axes - 1](
        c, out, kernel, each(draw, st.sampled_from([1, 1, 2, 3]), axes), padding, dilation, groups, padding_mode=mode
    )


def _pooling(draw: Any, axes: int) -> nn.Module:
    kernel, stride = each(draw, st.integers(1, 4), axes), each(draw, st.integers(1, 3), axes)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    if draw(st.booleans()):
        return MAX[axes - 1](kernel, stride, padding, ceil_mode=draw(st.booleans()))
    if axes == 3:  # here torch refuses a map smaller than the window, whatever the options
        return MEAN[2](kernel, stride)
    return MEAN[axes - 1](kernel, stride, padding, draw(st.booleans()), draw(st.booleans()))


def _enlarging(draw: Any, axes: int, c: int, width: int) -> nn.Module:
    if draw(st.booleans()):
        corners, factor = draw(st.sampled_from([None, False, True])), draw(st.integers(2, 3))
        return nn.Upsample(scale_factor=factor, mode="nearest" if corners is None else LINEAR[axes - 1],
                           align_corners=corners)  # fmt: skip
    stride = each(draw, st.integers(1, 3), axes)
    return BACK[axes - 1](
        c, *((2 * c, each(draw, st.integers(1, 3), axes), stride, 0, 0, c) if draw(st.booleans()) else
             (width, each(draw, st.integers(1, 4), axes), stride, each(draw, st.integers(0, 1), axes),
              tuple(draw(st.integers(0, s - 1)) for s in stride), 1)),
        dilation=draw(st.sampled_from([1, 1, 2])),
    )  # fmt: skip


def _slice(draw: Any) -> slice:
    start = draw(st.sampled_from([None, None, 0, 1, 2, 5, -7]))
    return slice(start, draw(st.sampled_from([None, None, -1, -2, 6, 9])), draw(st.sampled_from([None, None, 2])))


def _moving(draw: Any, axes: int) -> nn.Module:
    if draw(st.booleans()):
        return Sliced([_slice(draw) for _ in range(axes)])
    mode = draw(st.sampled_from(["constant", "constant", "reflect", "replicate", "circular"]))
    return Padded([draw(st.integers(-1 if mode == "constant" else 0, 2)) for _ in range(2 * axes)], mode)


def _normalising(draw: Any, axes: int, x: Tensor) -> nn.Module:
    c = x.shape[1]
    return draw(st.sampled_from([
        NORM[axes - 1](c), NORM[axes - 1](c), INSTANCE[axes - 1](c), INSTANCE[axes - 1](c, track_running_stats=True),
        nn.GroupNorm(2 if c % 2 == 0 else 1, c), nn.LayerNorm(list(x.shape[1:])), nn.PReLU(), nn.PReLU(c),
        nn.Softmax(1), nn.ChannelShuffle(2 if c % 2 == 0 else 1), Gate(axes, c, c, True),
        Gate(axes, c, x[0].numel(), False),
        Scaled(), Half(), ADAPTIVE[axes - 1](draw(st.integers(1, 3))),
    ]))  # fmt: skip


def _branches(draw: Any, axes: int, c: int, width: int) -> nn.Module:
    kernel = draw(st.sampled_from([1, 3]))
    stride = draw(st.sampled_from([1, 1, 2]))
    conv = CONV[axes - 1]
    if draw(st.booleans()):
        return Residual(conv(c, width, kernel, stride, kernel // 2), conv(c, width, 1, stride))
    if draw(st.booleans()):
        return Residual(conv(c, c, kernel, padding=kernel // 2), nn.Identity())
    return Joined(conv(c, width, kernel, padding=kernel // 2), draw(st.sampled_from([nn.Identity(), nn.ReLU()])))


def _layer(draw: Any, axes: int, x: Tensor, boxes: int) -> nn.Module:
    width = boxes * draw(st.integers(1, 2)) + draw(st.integers(0, 1))
    match draw(st.sampled_from(["convolution", "convolution", "pooling", "enlarging", "moving", "norm", "branches"])):
        case "convolution":
            return _convolution(draw, axes, x.shape[1], width)
        case "pooling":
            return _pooling(draw, axes)
        case "enlarging":
            return _enlarging(draw, axes, x.shape[1], width)
        case "moving":
            return _moving(draw, axes)
        case "branches":
            return _branches(draw, axes, x.shape[1], width)
    return _normalising(draw, axes, x)


@st.composite
def cuts(draw: Any, shape: tuple[int, ...], count: int) -> Partition:
    """Boxes of half the image or more, anywhere."""
    drawn = []
    for _ in range(count):
        stride = draw(st.sampled_from([1, 2, 2, 4]))
        starts = [stride * draw(st.integers(0, n // 2 // stride)) for n in shape]
        drawn.append(Box(tuple((a, draw(st.integers(a + n // 2, n))) for a, n in zip(starts, shape, strict=True))))
    return Partition(shape, tuple(drawn))


@st.composite
def wild_examples(draw: Any) -> Example:
    """A network that torch runs on whole images; whether it can be composed is another matter."""
    axes, count, channels = draw(st.sampled_from([1, 1, 2, 2, 3])), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape, seed = (channels, *[SIDE[axes]] * axes), draw(st.integers(0, 2**20))
    torch.manual_seed(seed)
    x, layers = torch.zeros(2, *shape), []
    for _ in range(draw(st.integers(1, 6))):
        layer = _layer(draw, axes, x, count)
        try:
            y = layer.eval()(x)
        except (RuntimeError, ValueError):  # not on a map of this size
            continue
        if y.dim() == x.dim() and 0 < y[0].numel() < 6000:
            x, layers = y.detach(), [*layers, layer]
    outputs = draw(st.integers(1, 3))
    if draw(st.integers(0, 3)):
        network: nn.Module = Network(layers, [nn.Linear(x[0].numel(), outputs)])
    else:
        network = Pooled(layers, nn.Linear(x.shape[1], outputs), draw(st.booleans()))
    if draw(st.integers(0, 5)) == 0:
        network = Ended(network, draw(st.sampled_from(["relu", "square", "shift", "double", "largest"])))
    return Example(network.double(), draw(cuts(shape[1:], count)), shape, seed)


def _seeing(draw: Any, axes: int, c: int) -> nn.Module:
    """Layers every output of which sees a pixel, and whose weights may all be 1."""
    kernel, dilation = each(draw, st.integers(1, 4), axes), each(draw, st.sampled_from([1, 1, 2]), axes)
    stride = each(draw, st.integers(1, 3), axes)
    padding = tuple(draw(st.integers(0, min(2, k - 1))) for k in kernel)
    if any(padding):
        dilation = (1,) * axes  # else a window at the end may skip its pixel beyond the box: the rest is no interval
    mode = draw(st.sampled_from(["zeros", "zeros", "replicate", "circular"]))
    conv = CONV[axes - 1]
    wide = tuple(max(k, s) for k, s in zip(kernel, stride, strict=True))
    factor = draw(st.integers(2, 3))
    return draw(st.sampled_from([
        conv(c, 2, kernel, stride, padding, dilation, bias=False, padding_mode=mode),
        conv(c, 2, kernel, stride, padding, dilation, bias=False, padding_mode=mode),
        conv(c, 2, each(draw, st.sampled_from([1, 3]), axes), padding="same", bias=False),
        _pooling(draw, axes),
        _pooling(draw, axes),
        BACK[axes - 1](c, 2, wide, stride, tuple(min(p, k // 2) for p, k in zip(padding, wide, strict=True)),
                       bias=False),
        nn.Upsample(scale_factor=factor),
        nn.Upsample(scale_factor=factor, mode=LINEAR[axes - 1], align_corners=False),
        Sliced([_slice(draw) for _ in range(axes)]),
        Padded([draw(st.integers(-2, 0)) for _ in range(2 * axes)], "constant"),
        Residual(conv(c, 2, 3, 2, 1, bias=False), conv(c, 2, 1, 2, bias=False)),
        Joined(conv(c, 2, 3, padding=1, bias=False), nn.ReLU()),
    ]))  # fmt: skip


@st.composite
def positive_examples(draw: Any) -> Example:
    """Networks in which a position responds to a pixel wherever its windows reach it."""
    axes = draw(st.sampled_from([1, 1, 2, 2, 3]))
    shape = (1, *[SIDE[axes]] * axes)
    x, layers = torch.zeros(2, *shape), []
    for _ in range(draw(st.integers(1, 5))):
        layer = _seeing(draw, axes, x.shape[1])
        try:
            y = layer(x)
        except (RuntimeError, ValueError):  # not on a map of this size
            continue
        if 0 < y[0].numel() < 6000:
            x, layers = y.detach(), [*layers, layer]
    network = Network(layers, [nn.Linear(x[0].numel(), 1, False)])
    boxes = draw(st.integers(1, 2))
    return Example(network.double(), draw(cuts(shape[1:], boxes)), shape, 0)


@st.composite
def same_examples(draw: Any) -> Example:
    """Convolutions padded so that the map keeps its size, and pooling by whole windows."""
    axes = draw(st.integers(1, 2))
    layers: list[nn.Module] = []
    channels, n = 1, 16
    for _ in range(draw(st.integers(1, 4))):
        width = draw(st.integers(4, 6))
        kernel, mode = draw(st.sampled_from([3, 3, 5])), draw(st.sampled_from(["zeros", "replicate"]))
        layers += [CONV[axes - 1](channels, width, kernel, padding="same", padding_mode=mode), nn.Tanh()]
        if n == 16 and draw(st.booleans()):
            layers.append(MEAN[axes - 1](2))
            n = 8
        channels = width
    torch.manual_seed(draw(st.integers(0, 2**20)))
    shape = (1, *[16] * axes)
    partition = Partition.grid(shape[1:], (2,) * axes, overlap=draw(st.sampled_from([0, 2])))
    return Example(
        Network(layers, [nn.Linear(channels * n**axes, 3)]).double(), partition, shape, draw(st.integers(0, 9))
    )
