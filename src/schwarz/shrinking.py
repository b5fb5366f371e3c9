"""How much of an axis a network leaves: known without torch, so that an impossible cut is refused at once.

A network is here what it does to one axis: its windows (convolutions and poolings) in their order. The networks are
built from the same numbers, and their first dense layer is as large as `left` says.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from schwarz.windows import Window

Padding = Literal["same", "valid"]
"""Of a convolution: as many zeros around as keep the size of a map at stride 1, or none."""
Convention = Literal["torchvision", "keras"]
"""Whose ResNet50 and ResNet101 (two ways to write down the same paper)."""
HALVING = Window(2, 2)
"""The pooling by two after a stage."""
UNITS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""ResNet50 and ResNet101: residual units of each stage."""


def one_of(allowed: Any, name: str, value: str) -> str:
    """`value`, which must be one of a Literal's: another word must not pass for the last of them."""
    if value not in get_args(allowed):
        raise ValueError(f"{name} {value!r} is none of {', '.join(get_args(allowed))}")
    return value


def convolution(taps: int, padding: Padding, stride: int = 1) -> Window:
    """The window of a convolution with an odd number of taps."""
    around = taps // 2 if one_of(Padding, "padding", padding) == "same" else 0
    return Window(taps, stride, (around, around))


def left(n: int, windows: Iterable[Window]) -> int:
    """Pixels that an axis of n has after all windows; 0 where one of them does not fit."""
    for window in windows:
        n = max(0, window.size(n))
    return n


def least(windows: Sequence[Window]) -> int:
    """The shortest axis that leaves a pixel."""
    n = 1
    for window in reversed(windows):
        n = max(1, (n - 1) * window.stride + window.taps - sum(window.padding))
    return n


def margin(windows: Iterable[Window]) -> int:
    """Pixels that lie before the centre of the first output: what a shortcut crops at both ends, so that it adds to
    every output of these windows the input at its centre (document 3, equation 2.25)."""
    before, step = 0, 1
    for window in windows:
        before += step * ((window.taps - 1) // 2 - window.padding[0])
        step *= window.stride
    return before


def staged(convolutions: Sequence[int], padding: Padding, taps: int = 3) -> list[Window]:
    """Stages of so many convolutions, each followed by a pooling by two."""
    return [window for n in convolutions for window in (*[convolution(taps, padding)] * n, HALVING)]


def basic(padding: Padding, stride: int) -> list[Window]:
    """A residual unit of two convolutions, the stride on the first."""
    return [convolution(3, padding, stride), convolution(3, padding)]


def bottleneck(padding: Padding, stride: int, convention: Convention) -> list[Window]:
    """A residual unit of 1, 3 and 1 taps: the stride is on the first in Keras, on the second in torchvision."""
    first, second = (stride, 1) if one_of(Convention, "convention", convention) == "keras" else (1, stride)
    return [Window(1, first), convolution(3, padding, second), Window(1)]


def strides(units: Sequence[int]) -> list[list[int]]:
    """The stride of every unit of every stage: 2 where a stage after the first begins."""
    return [[2 if stage and not unit else 1 for unit in range(n)] for stage, n in enumerate(units)]


def cifar_resnet(n: int, padding: Padding) -> list[Window]:
    """A 3-wide convolution, then three stages of n basic units: 6n + 2 layers with the dense one."""
    units = [window for stage in strides([n] * 3) for stride in stage for window in basic(padding, stride)]
    return [convolution(3, padding), *units]


def bottleneck_stem(padding: Padding) -> list[Window]:
    """What ResNet50 and ResNet101 begin with: a 7-wide convolution and a 3-wide pooling, both every second pixel."""
    return [convolution(7, padding, 2), convolution(3, padding, 2)]


def bottleneck_resnet(layers: int, padding: Padding, convention: Convention) -> list[Window]:
    """The stem, then the units of each stage."""
    all_strides = [stride for stage in strides(UNITS[layers]) for stride in stage]
    return bottleneck_stem(padding) + [w for stride in all_strides for w in bottleneck(padding, stride, convention)]
