"""Random programs on tensors: whatever operations of torch follow one another, on whatever axes.

A program is drawn by running it; what torch refuses is left out. Every size it needs it takes from its input, so that
it runs on a box as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from schwarz.partition import Partition
from tests.property.networks import Example
from tests.property.wild_networks import cuts

SHAPES = [((12,), 1), ((4, 12), 1), ((3, 12), 2), ((2, 6, 8), 2), ((2, 6, 8), 1), ((5, 3, 8), 1)]
"""Shapes of an input, and how many of its last axes are cut."""
IMAGES = 13
"""No size of anything else."""
Step = Callable[[Any, list[Tensor]], Tensor]


class Program(nn.Module):
    """Each step makes a new tensor of those so far; the last one is flattened and read by a dense layer."""

    def __init__(self, steps: Sequence[Step], layers: dict[str, nn.Module], end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.steps = list(steps)
        self.layers = nn.ModuleDict(layers)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        made = [x]
        for step in self.steps:
            made.append(step(self, made))
        return self.end(self.layers["head"](made[-1].flatten(1)))


@dataclass
class Draft:
    """A program that is being drawn, with what it makes of two images."""

    values: list[Tensor]
    boxes: int
    steps: list[Step] = field(default_factory=list)
    layers: dict[str, nn.Module] = field(default_factory=dict)

    def named(self, layer: nn.Module) -> str:
        name = f"layer{len(self.layers)}"
        self.layers[name] = layer.double()
        return name


def _layer(draft: Draft, layer: nn.Module) -> Step:
    name = draft.named(layer)
    return lambda net, made: net.layers[name](made[-1])


def _shaping(draw: Any, x: Tensor) -> Step:
    a, b = draw(st.integers(0, x.dim() - 1)), draw(st.integers(0, x.dim() - 1))
    factor = draw(st.integers(1, 3))

    def split(_: Any, made: list[Tensor]) -> Tensor:
        s = made[-1].shape
        return made[-1].reshape(
            *[s[i] for i in range(a)], s[a] // factor, factor, *[s[i] for i in range(a + 1, x.dim())]
        )

    return draw(st.sampled_from([
        lambda _, made: made[-1].transpose(a, b),
        lambda _, made: made[-1].flatten(min(a, b), max(a, b)),
        lambda _, made: made[-1].unsqueeze(a),
        lambda _, made: made[-1].squeeze(a),
        split,
    ]))  # fmt: skip


def _slicing(draw: Any, x: Tensor) -> Step:
    a = draw(st.integers(1, x.dim() - 1))
    low, high, step = draw(st.integers(0, 2)), draw(st.sampled_from([None, None, -1, 4])), draw(st.integers(1, 2))
    key = (*[slice(None)] * a, draw(st.sampled_from([slice(low, high, step), slice(low, high, step), low, -1])))
    return lambda _, made: made[-1][key]


def _reducing(draw: Any, x: Tensor) -> Step:
    a, keep = draw(st.integers(1, x.dim() - 1)), draw(st.booleans())
    return draw(st.sampled_from([
        lambda _, made: made[-1].mean(a, keepdim=keep),
        lambda _, made: made[-1].amax(a, keepdim=keep),
        lambda _, made: made[-1].softmax(a),
        lambda _, made: made[-1] - made[-1].mean(a, keepdim=True),
        lambda _, made: made[-1] / made[-1].shape[a],
    ]))  # fmt: skip


def _joining(draw: Any, draft: Draft) -> Step:
    """With an earlier value of the same shape, or one that broadcasts."""
    other, a = draw(st.integers(0, len(draft.values) - 1)), draw(st.integers(1, draft.values[-1].dim() - 1))
    return draw(st.sampled_from([
        lambda _, made: made[-1] + made[other],
        lambda _, made: made[-1] * made[other].sigmoid(),
        lambda _, made: torch.maximum(made[-1], made[other]),
        lambda _, made: torch.cat([made[-1], made[other]], a),
    ]))  # fmt: skip


def _weighing(draw: Any, draft: Draft) -> Step:
    x = draft.values[-1]
    width = draft.boxes * draw(st.integers(1, 2)) + draw(st.integers(0, 1))
    kernel, padding = draw(st.integers(1, 3)), draw(st.sampled_from([0, 0, 1]))
    channels = x.shape[1] if x.dim() > 1 else 1
    layers: list[nn.Module] = [nn.Linear(x.shape[-1], width), nn.Linear(x.shape[-1], width)]
    if x.dim() in (3, 4):
        kind = nn.Conv1d if x.dim() == 3 else nn.Conv2d
        layers += [kind(channels, width, kernel, draw(st.integers(1, 2)), padding), kind(channels, width, 1),
                   kind(channels, channels, kernel, groups=channels), nn.GroupNorm(1, channels),
                   (nn.MaxPool1d if x.dim() == 3 else nn.AvgPool2d)(draw(st.integers(1, 2))),
                   (nn.BatchNorm1d if x.dim() == 3 else nn.BatchNorm2d)(channels)]  # fmt: skip
    if x.dim() == 3:
        layers.append(nn.GRU(x.shape[-1], width, batch_first=True, bidirectional=draw(st.booleans())))
    layer = draw(st.sampled_from([*layers, nn.LayerNorm(x.shape[-1]), nn.PReLU(), nn.PReLU(channels)]))
    step = _layer(draft, layer)
    return (lambda net, made: step(net, made)[0]) if isinstance(layer, nn.GRU) else step


def _step(draw: Any, draft: Draft) -> Step:
    x = draft.values[-1]
    match draw(
        st.sampled_from(["weighing", "weighing", "shaping", "shaping", "slicing", "reducing", "joining", "act"])
    ):
        case "weighing":
            return _weighing(draw, draft)
        case "shaping":
            return _shaping(draw, x)
        case "slicing":
            return _slicing(draw, x)
        case "reducing":
            return _reducing(draw, x)
        case "joining":
            return _joining(draw, draft)
    return lambda _, made: torch.tanh(made[-1])


ENDS: list[Callable[[Tensor], Tensor]] = [
    *[lambda y: y] * 5, lambda y: y * 2, lambda y: y + 1, torch.relu, lambda y: -y, lambda y: y * y,
    lambda y: y.mean(1, keepdim=True), lambda y: y[:, :1],
]  # fmt: skip


@st.composite
def program_examples(draw: Any) -> Example:
    """A program that torch runs on whole inputs, with boxes."""
    shape, axes = draw(st.sampled_from(SHAPES))
    count, seed = draw(st.integers(1, 3)), draw(st.integers(0, 2**20))
    torch.manual_seed(seed)
    draft = Draft([torch.randn(IMAGES, *shape, dtype=torch.float64)], count)
    for _ in range(draw(st.integers(1, 8))):
        step = _step(draw, draft)
        try:
            y = step(Program([], draft.layers, torch.relu).eval(), draft.values)
        except (RuntimeError, ValueError, IndexError, TypeError):  # not on such a tensor
            continue
        if y.dim() > 1 and y.shape[0] == IMAGES and 0 < y.numel() < 15000:
            draft.steps.append(step)
            draft.values.append(y.detach())
    outputs = draw(st.integers(1, 3))
    draft.layers["head"] = nn.Linear(draft.values[-1][0].numel(), outputs)
    partition: Partition = draw(cuts(shape[-axes:], count))
    if draw(st.booleans()):
        partition = Partition.grid(shape[-axes:], (1,) * (axes - 1) + (count,), overlap=draw(st.integers(0, 1)))
    return Example(Program(draft.steps, draft.layers, draw(st.sampled_from(ENDS))).double(), partition, shape, seed)
