"""Theorem 2.1 of document 3, section 2.3, checked on your own networks and images.

`verify` says which case a composition is and which layers decide it; measures (2.15) on the activation field of every
layer and (2.16), (2.17), (2.22) or (2.23) on the outputs; and confirms the fields by changing pixels outside a box.
What the local costs bound, Theorem 2.2 and section 2.4, is in `bounds`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from schwarz.bounds import bounds
from schwarz.composition import matched, scattered
from schwarz.correspondence import Activation, Axis, Correspondence, in_step
from schwarz.correspondence.tracing import layer_of, name_of
from schwarz.modes import evaluating
from schwarz.partition import Box, Partition
from schwarz.task import Task
from schwarz.verdict import LayerReport, Verdict

CHUNK = 32
"""Images that go through the networks together: what bounds the memory."""
PROBES = 2
"""Images on which an activation field is confirmed."""
ULPS = 1000
"""Units in the last place that two orders of summation may differ by, relative to the largest value."""


def verify(
    module: nn.Module,
    locals_: Sequence[nn.Module],
    partition: Partition,
    x: Tensor,
    y: Tensor | None = None,
    task: Task | str = Task.CLASSIFICATION,
) -> Verdict:
    """Compare `module` as it is with its local networks on images x [n, ...] and, where given, labels or targets y.

    Everything is measured in eval mode, which is put back. An autoencoder's target is x itself.
    """
    task = Task(task)
    _data_fit(module, x, y, task)
    with evaluating(module, *locals_), torch.no_grad():
        found = matched(module, locals_, partition, task, tuple(x.shape[1:]))
        _by_image(found)
        seen = _Seen(found)
        for images in x.split(CHUNK):
            for node, whole, parts in in_step(found, locals_, images):
                seen.look(node, whole, parts)
        inside, responds = _confirmed(found, x[:PROBES])
    outputs = [seen.output(node) for node in found.outputs]
    whole, parts, expected = outputs[-1]
    scale = max(1.0, *(_largest(each.abs()) for _, parts, expected in outputs for each in (*parts, expected)))
    classes = task is Task.CLASSIFICATION and len(outputs) == 1 and whole.dim() == 2 and whole.shape[1] > 1
    whole_image = not task.divides or whole.numel() == x.numel()
    bounded = found.returned_as_it_is and (classes or (task.averages and whole_image and not _is_map(found)))
    target = _target(task, x, y, classes)
    tolerance = ULPS * torch.finfo(x.dtype).eps
    return Verdict(
        case=found.case,
        causes=found.causes,
        task=task,
        images=len(x),
        boxes=len(partition),
        layers=tuple(seen.layers()),
        logit_gap=_worst(_gap(whole, expected) for whole, _, expected in outputs),
        softmax_gap=_gap(whole.softmax(1), expected.softmax(1)) if classes else None,
        tolerance=tolerance * scale,
        feature_tolerance=tolerance,
        field_gap=inside,
        responds=responds,
        returned=found.returned_as_it_is,
        covers=partition.covers,
        bounds=bounds(task, partition, whole, parts, target) if bounded and target is not None else None,
    )


def on_the_field(here: Activation, local: Tensor, whole: Tensor) -> tuple[Tensor, Tensor] | None:
    """The two sides of (2.15): values of a local network and those of the global one, as far as they lie where the
    index maps say that they agree. None where nothing does, or where images have become part of another axis."""
    for a, (axis, n) in enumerate(zip(here.axes, whole.shape, strict=True)):
        if axis.undivided:
            continue
        start, stop = axis.agrees
        if axis.whole != n or stop <= start:
            return None
        local = local.narrow(a, start, stop - start)
        whole = whole.index_select(a, axis.index[start:stop].to(whole.device))
    return local, whole


def expected_output(found: Correspondence, node: fx.Node, whole: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """What the local outputs make together: their sum (2.16), mean (2.22), or each in its place."""
    index = [_spots(nodes[node], whole.shape) for nodes in found.nodes]
    total, count = scattered(index, whole, parts)
    apart = any(axis.is_map and not axis.undivided for nodes in found.nodes for axis in nodes[node].axes)
    return total / count.clamp(min=1) if found.task.averages or apart else total


def _spots(here: Activation, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """The global index of every local value, an array for each axis, to be broadcast; a batch may have another length
    than in the walk."""
    axes = [axis.index if axis.whole == n else torch.arange(n) for axis, n in zip(here.axes, shape, strict=True)]
    return tuple(index.reshape(-1, *[1] * (len(axes) - 1 - a)) for a, index in enumerate(axes))


class _Seen:
    """What all images have shown so far."""

    def __init__(self, found: Correspondence) -> None:
        self.found = found
        self.gaps: dict[fx.Node, tuple[float, float]] = {}
        """The largest difference of (2.15), and the largest feature."""
        self.kept: dict[fx.Node, list[list[Tensor]]] = {}

    def look(self, node: fx.Node, whole: Any, parts: list[Any]) -> None:
        if not isinstance(self.found.nodes[0].get(node), Activation) or node.op == "placeholder":
            return
        if node in self.found.outputs:
            self.kept.setdefault(node, []).append([whole.clone(), *(part.clone() for part in parts)])
            return
        for k, part in enumerate(parts):
            sides = on_the_field(self.found.nodes[k][node], part, whole) if self.found.agree(node, k) else None
            if sides is not None:
                gap, scale = self.gaps.get(node, (0.0, 0.0))
                self.gaps[node] = _worst((gap, _gap(*sides))), _worst((scale, _largest(sides[0].abs())))

    def output(self, node: fx.Node) -> tuple[Tensor, list[Tensor], Tensor]:
        """A global output, those of the local networks, and what these make together."""
        whole, *parts = (torch.cat(chunks) for chunks in zip(*self.kept[node], strict=True))
        return whole, parts, expected_output(self.found, node, whole, parts)

    def layers(self) -> Iterator[LayerReport]:
        for node, value in self.found.nodes[0].items():
            layer = layer_of(self.found.graph, node)
            if layer is None or not isinstance(value, Activation) or node in self.found.outputs:
                continue
            axes = [_spatial(nodes[node]) for nodes in self.found.nodes]
            gap, scale = self.gaps.get(node, (None, 0.0))
            yield LayerReport(
                name_of(node),
                type(layer).__name__,
                tuple(axis.whole for axis in axes[0]),
                tuple(tuple(axis.field for axis in box) for box in axes),
                tuple(self.found.agree(node, k) for k in range(len(axes))),
                gap,
                scale,
            )


def _confirmed(found: Correspondence, x: Tensor) -> tuple[float, float | None]:
    """What other pixels outside each box change: at most how much on its activation field, how often elsewhere."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype).to(x.device) * x.std() + x
    worst, changed, positions = 0.0, 0, 0
    for k, box in enumerate(found.partition):
        runs = in_step(found, [], x), in_step(found, [], _replaced(noise, box, x))
        for (node, one, _), (_, two, _) in zip(*runs, strict=True):
            here = found.nodes[k].get(node)
            if not isinstance(here, Activation) or not here.is_map:
                continue
            others = [a for a, axis in enumerate(here.axes) if not axis.spatial]
            difference = (one - two).abs().amax(others)  # over images and channels
            outside = torch.ones_like(difference, dtype=torch.bool)
            outside[tuple(slice(*axis.field) for axis in _spatial(here))] = False
            worst = _worst((worst, _largest(difference[~outside])))
            changed += int((difference[outside] > 0).sum())
            positions += int(outside.sum())
    return worst, changed / positions if positions else None


def _replaced(x: Tensor, box: Box, by: Tensor) -> Tensor:
    """x with the box of another one."""
    other = x.clone()
    other[box.slices] = by[box.slices]
    return other


def _spatial(here: Activation) -> list[Axis]:
    """The axes that still have places of the image."""
    return [axis for axis in here.axes if axis.spatial]


def _gap(one: Tensor, other: Tensor) -> float:
    return _largest((one - other).abs())


def _largest(values: Tensor) -> float:
    return float(values.max()) if values.numel() else 0.0


def _worst(gaps: Iterable[float]) -> float:
    """The largest; a number that is none is worse than all."""
    return max(gaps, key=lambda gap: (math.isnan(gap), gap))


def _is_map(found: Correspondence) -> bool:
    return found.nodes[0][found.outputs[-1]].is_map


def _by_image(found: Correspondence) -> None:
    if not found.outputs:
        raise ValueError("the network returns nothing that a layer with weights makes: there is no output to compare")
    for output in found.outputs:
        if found.nodes[0][output].shape[0] != found.images:
            raise ValueError(f"verify needs an output for each image: {name_of(output)!r} has no axis of images first")


def _target(task: Task, x: Tensor, y: Tensor | None, classes: bool) -> Tensor | None:
    """What the outputs should be."""
    if task is Task.AUTOENCODER:
        return x
    return y.long() if classes and y is not None else y


def _data_fit(module: nn.Module, x: Tensor, y: Tensor | None, task: Task) -> None:
    for name, given in (("x", x), ("y", y)):
        if given is not None and not isinstance(given, Tensor):
            raise TypeError(f"{name} is a {type(given).__name__}, not a torch.Tensor")
    if not len(x):
        raise ValueError("verify needs at least one image, x is empty")
    weight = next(module.parameters())
    if (x.dtype, x.device) != (weight.dtype, weight.device):
        raise ValueError(f"x is {x.dtype} on {x.device}, the module {weight.dtype} on {weight.device}: x.to(...) it")
    if y is None:
        return
    if len(y) != len(x):
        raise ValueError(f"{len(y)} labels for {len(x)} images: one each")
    if task is Task.CLASSIFICATION and (y.is_floating_point() or y.dim() != 1):
        raise ValueError(f"classification takes the number of the class of each image, y is {y.dtype} {tuple(y.shape)}")
