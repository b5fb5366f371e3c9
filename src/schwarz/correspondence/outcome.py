"""What the walks through a network have found, and which case its composition is."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import lcm
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate

from schwarz.cases import Case, Cause, merged
from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import multiplied
from schwarz.correspondence.layers import ALIGNED, Fit
from schwarz.correspondence.tracing import name_of
from schwarz.partition import Partition
from schwarz.task import Task


@dataclass(frozen=True)
class Correspondence:
    """The global network and its local networks, operation by operation."""

    graph: fx.GraphModule
    partition: Partition
    task: Task
    nodes: tuple[dict[fx.Node, Any], ...]
    """For each local network the activation, or other value, of every operation."""
    fits: tuple[dict[str, Fit], ...]
    """For each local network how every layer with weights fits in."""

    @property
    def images(self) -> int:
        """How many there were in the walk: whatever is so long in front has them there."""
        return next(iter(self.nodes[0].values())).shape[0]

    @cached_property
    def outputs(self) -> list[fx.Node]:
        """The operations whose results are what the local networks make together, the logits, and what is returned or
        made of them."""
        first = self.nodes[0]
        made = [n for n, value in first.items() if n.op != "output" and isinstance(value, Activation) and value.output]
        return [node for node in made if node in self._returned and not any(user in made for user in node.users)]

    @cached_property
    def returned_as_it_is(self) -> bool:
        """Whether there is one output, and nothing but its shape or softmax comes behind it."""
        node, seen = self.outputs[0], set[fx.Node]()
        while node is not self._end and len(node.users) == 1:
            seen.add(node)
            node = next(iter(node.users))
            value = self.nodes[0][node]
            if node is not self._end and not (isinstance(value, Activation) and (value.output or value.behind)):
                return False
        return node is self._end and len(self.outputs) == 1

    @cached_property
    def _returned(self) -> set[fx.Node]:
        """Operations that the network's result is made of."""
        reached, open_ = set[fx.Node](), [self._end]
        while open_:
            node = open_.pop()
            if node not in reached:
                reached.add(node)
                open_ += node.all_input_nodes
        return reached

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """Why the composed network is not exact, in the order of the network."""
        values: list[Activation] = []
        for walk in self.nodes:
            ends = [walk[self._end], *(walk[node] for node in self.outputs)]
            map_aggregate(ends, lambda each: values.append(each) if isinstance(each, Activation) else None)  # type: ignore[arg-type]  # fx's own types
        found = merged(*(value.read_whole(value.axes).causes for value in values), self._reordered, self._common)
        order = {name_of(node): i for i, node in enumerate(self.graph.graph.nodes)}
        named = (replace(cause, nearest=self._aligned) if cause.nearest == ALIGNED else cause for cause in found)
        return tuple(sorted(_one_each(named), key=lambda cause: order.get(cause.layer, 0)))

    @cached_property
    def _reordered(self) -> tuple[Cause, ...]:
        """Outputs of one's own that are no longer in the order of the input's places."""
        if not self.task.divides or len(self.partition) == 1:
            return ()
        reason = "leaves the values of a box in another order than the image's"
        return tuple(
            Cause(name_of(node), reason, "an output whose values have the order of the input's")
            for node in self.outputs
            if not all(_in_order(walk[node], next(iter(walk.values()))) for walk in self.nodes)
        )

    @property
    def _aligned(self) -> str:
        """The nearest boxes whose starts the strides divide."""
        activations = (value for value in self.nodes[0].values() if isinstance(value, Activation))
        places = [[axis for axis in each.axes if axis.spatial] for each in activations]
        maps = [axes for axes in places if len(axes) == len(self.partition.shape)]
        strides = [lcm(*(axis.stride.numerator for axis in along)) for along in zip(*maps, strict=True)]
        text, boxes = " x ".join(map(str, strides)), self.partition.aligned(strides)
        fits = (boxes.covers or not self.partition.covers) and len(set(boxes)) == len(set(self.partition))
        return f"boxes that start at multiples of {text}, " + (f"as in {boxes}" if fits else "larger ones than these")

    @property
    def case(self) -> Case:
        return Case.of(self.causes)

    def agree(self, node: fx.Node, k: int) -> bool:
        """Whether (2.15) is claimed of an operation: what agrees on its axes is the same number in both networks."""
        return not self.nodes[k][node].causes and node not in self._together

    @cached_property
    def _together(self) -> set[fx.Node]:
        """Operations whose values local networks make together: the outputs, what reads values that several of them
        learn, and all that follows."""
        common, after = {cause.layer for cause in self._common}, set()
        for node in self.graph.graph.nodes:
            value = self.nodes[0][node]
            made = isinstance(value, Activation) and value.output and node.op != "output"
            if made or name_of(node) in common or after.intersection(node.all_input_nodes):
                after.add(node)
        return after

    @property
    def _end(self) -> fx.Node:
        return next(node for node in self.graph.graph.nodes if node.op == "output")

    @cached_property
    def _common(self) -> tuple[Cause, ...]:
        """Layers that keep values which several local networks learn, each its own."""
        reason = "keeps values that several local networks learn: their mean is taken"
        kept = {name: fit.alone for fits in self.fits for name, fit in fits.items() if fit.alone}
        return tuple(
            Cause(name, reason, alone)
            for name, alone in kept.items()
            if _has_values(self.graph.get_submodule(name)) and self._overlaps(name)
        )

    def _overlaps(self, name: str) -> bool:
        """Whether several local networks have an entry of its tensors, which all lie alike."""
        tensor = next(iter(self.fits[0][name].index))
        where = [torch.broadcast_tensors(*fits[name].index[tensor]) for fits in self.fits]
        keys = torch.cat([torch.stack(index).flatten(1) for index in where], 1)
        return keys.unique(dim=1).shape[1] < keys.shape[1]


def _in_order(output: Activation, given: Activation) -> bool:
    """Whether the values of an output lie where those of the input did, or along its last axis alone."""
    places = multiplied(output.axes[1:])
    wholes = [multiplied(axes) for axes in (given.axes[1:], given.axes[-1:])]
    like = [each for each in wholes if each.whole == places.whole]
    return not like or any(torch.equal(each.index, places.index) for each in like)


def _one_each(causes: Iterable[Cause]) -> list[Cause]:
    """The worst cause of every layer, of like ones the first: boxes differ in their numbers only."""
    worst: dict[str, Cause] = {}
    for cause in causes:
        if worst.setdefault(cause.layer, cause).case.rank < cause.case.rank:
            worst[cause.layer] = cause
    return list(worst.values())


def _has_values(layer: nn.Module) -> bool:
    return any(True for _ in (*layer.parameters(), *layer.buffers()))
