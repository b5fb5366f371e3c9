"""How a network and its local networks correspond: one walk through the graph for each box, by index maps.

Decomposing reads from it how wide a local layer is, composing where its weights go, the theorems where features agree.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate

from schwarz.cases import Case, Cause
from schwarz.correspondence.activation import Activation
from schwarz.correspondence.index_maps import Axis, multiplied, share
from schwarz.correspondence.layers import Fit, too_few
from schwarz.correspondence.outcome import Correspondence
from schwarz.correspondence.rules import FUNCTIONS, LAYERS
from schwarz.correspondence.shaping import Sides, global_side, local_side
from schwarz.correspondence.tracing import (
    CONVOLUTIONS,
    RECURRENT,
    TRANSPOSED,
    WEIGHTED,
    first_line,
    layer_of,
    name_of,
    output_layers,
    trace,
    units,
)
from schwarz.partition import Partition
from schwarz.task import Task

BATCH = 61
"""Images in a walk: a number that no operation takes for a size, nor for a multiple of one."""


def correspond(
    module: nn.Module,
    partition: Partition,
    input_shape: Sequence[int] | None = None,
    task: Task | str = Task.CLASSIFICATION,
) -> Correspondence:
    """Walk through `module` once for every box; ValueError naming what cannot be decomposed."""
    for name, given, kind in (("module", module, nn.Module), ("partition", partition, Partition)):
        if not isinstance(given, kind):
            raise TypeError(f"{name} is a {type(given).__name__}, not a {kind.__name__}")
    if input_shape is not None and not (isinstance(input_shape, Sequence) and all(map(_is_size, input_shape))):
        raise ValueError(f"input_shape {input_shape!r}: give the shape of one input, such as (3, 32, 32)")
    graph, task = trace(module), Task(task)
    if input_shape is not None:
        return _walked(graph, partition, tuple(input_shape), task)
    return _guessed(graph, partition, task)


def _guessed(graph: fx.GraphModule, partition: Partition, task: Task) -> Correspondence:
    """The walk with the shape of an input that the layers tell."""
    faults: list[str] = []
    found: list[Correspondence] = []
    for shape in _likely(graph, partition):
        try:
            found.append(_walked(graph, partition, shape, task))
        except ValueError as fault:
            faults.append(f"{fault} (for an input of {shape}, a guess: input_shape= says it)")
    if not found:
        raise ValueError(faults[0])
    if any(not _alike(found[0], other) for other in found[1:]):
        raise ValueError("the layers leave the shape of an input open: say it by input_shape=")
    return found[0]


def _alike(one: Correspondence, other: Correspondence) -> bool:
    """Whether two walks place every weight alike, and claim the same."""
    pairs = zip(one.fits, other.fits, strict=True)
    return one.case is other.case and all(
        fits.keys() == others.keys() and all(_same(fits[name], others[name]) for name in fits) for fits, others in pairs
    )


def _walked(graph: fx.GraphModule, partition: Partition, input_shape: tuple[int, ...], task: Task) -> Correspondence:
    if input_shape[-len(partition.shape) :] != partition.shape:
        raise ValueError(f"input_shape {input_shape} does not end in the partition's {partition.shape}")
    outputs, unit = output_layers(graph), units(graph)
    walks = [_Walk(graph, partition, input_shape, task, k, outputs, unit) for k in range(len(partition))]
    for walk in walks:
        walk.run(*walk.inputs)
    return Correspondence(graph, partition, task, tuple(w.values for w in walks), tuple(w.fits for w in walks))


def _likely(graph: fx.GraphModule, partition: Partition) -> list[tuple[int, ...]]:
    """Shapes of the input that a network may take: what the first layer with weights reads, before the cut axes."""
    layers = [layer_of(graph, node) for node in graph.graph.nodes]
    first = next((layer for layer in layers if isinstance(layer, WEIGHTED)), None)
    lead: tuple[int, ...] = ()
    more: list[tuple[int, ...]] = []
    if isinstance(first, (*CONVOLUTIONS, *TRANSPOSED)):
        lead, axes = (first.in_channels,), len(partition.shape)
        if axes not in (len(first.kernel_size), len(first.kernel_size) + 1):
            raise ValueError(
                f"the network begins with a {type(first).__name__}, the partition cuts {axes} axes: say the shape of "
                "an input by input_shape="
            )
    elif isinstance(first, RECURRENT):
        lead = (1,) if len(partition.shape) == 1 else ()
    elif isinstance(first, nn.Linear) and first.in_features != prod(partition.shape):
        n = max(1, first.in_features // prod(partition.shape))
        lead, more = (n,), [(a, n // a) for a in range(2, n) if n % a == 0]
    rest = partition.shape
    return [*((*each, *rest) for each in (lead, *more)), rest if lead else (1, *rest)]


class _Walk(fx.Interpreter):
    """Runs the graph on the index maps of box k in place of images."""

    def __init__(
        self, graph: fx.GraphModule, partition: Partition, input_shape: tuple[int, ...], task: Task, k: int,
        outputs: set[str], unit: dict[fx.Node, int],
    ) -> None:  # fmt: skip
        super().__init__(graph, garbage_collect_values=False)
        self.extra_traceback = False
        self.k, self.boxes, self.task = k, len(partition), task
        self.side_by_side = task.divides and partition.complete
        self.averages = task.averages and (partition.covers or not task.divides)
        self.training = graph.training
        self.here, self.is_output, self.unit = "", False, 1
        self.values: dict[fx.Node, Any] = {}
        self.fits: dict[str, Fit] = {}
        self._output_names, self._units = outputs, unit
        self._owner: dict[int, tuple[str, str]] = {}
        lead = input_shape[: -len(partition.shape)]
        box = zip(partition.shape, partition.boxes[k], strict=True)
        self.input = (*map(Axis.all, lead), *(Axis.box(n, span) for n, span in box))

    @property
    def inputs(self) -> list[Activation]:
        return [Activation((Axis.all(BATCH), *self.input))]

    def run_node(self, n: fx.Node) -> Any:
        self.here, self.unit = name_of(n), self._units[n]
        self.is_output = n.op == "call_module" and str(n.target) in self._output_names
        try:
            value = super().run_node(n)
        except (
            TypeError,
            IndexError,
            RuntimeError,
            AttributeError,
            ValueError,
            ZeroDivisionError,
        ) as fault:  # not what it takes
            if isinstance(fault, ValueError) and repr(self.here) in str(fault):
                raise
            raise ValueError(
                f"operation {self.here!r} cannot be composed as it is called: {first_line(fault)}"
            ) from None
        self.values[n] = value = self._behind_the_output(n, value)
        return value

    def _behind_the_output(self, n: fx.Node, value: Any) -> Any:
        """What is made of the output, and is not the output or its classification module, is no sum of anything."""
        weighted = n.op == "call_module" and str(n.target) in self.fits
        if self.boxes == 1 or not isinstance(value, Activation) or value.behind or (value.output and not weighted):
            return value
        given = [each for node in n.all_input_nodes if isinstance(each := self.values.get(node), Activation)]
        if any(each.output or each.behind for each in given):
            nearest = "an output that nothing follows but a softmax"
            value = value.blamed(Cause(self.here, "works on the output of all networks together", nearest, Case.FIELD))
        return value

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = self.fetch_attr(str(target))
        rule = next((LAYERS[kind] for kind in LAYERS if isinstance(layer, kind)), None)
        if rule is None:
            raise ValueError(
                f"layer {self.here!r}: {type(layer).__name__} cannot be composed: docs/library.md lists what can"
            )
        return rule(self, layer, *args, **kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not _of_type(Activation, (args, kwargs)):
            return self._on_both_sides(target, args, kwargs)
        if target not in FUNCTIONS:
            raise ValueError(f"operation {self.here!r} cannot be composed: docs/library.md lists what can")
        return FUNCTIONS[target](self, *args, **kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not _of_type(Activation, (args, kwargs)):
            return self._on_both_sides(lambda x, *rest, **named: getattr(x, target)(*rest, **named), args, kwargs)
        if target in ("dim", "ndimension"):
            return len(args[0].axes)
        return self.call_function(target, args, kwargs)

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensor = self.fetch_attr(str(target))
        if isinstance(tensor, nn.Parameter):
            raise ValueError(  # noqa: TRY004  # what is wrong is the network
                f"{str(target)!r} is a parameter that is used outside a layer: it cannot be composed. A layer can: a "
                "scale of channels is a 1x1 convolution with groups=channels"
            )
        return Activation(tuple(Axis.all(n) for n in tensor.shape))

    def _on_both_sides(self, target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Arithmetic with sizes, once for the global network and once for the local one."""
        if not _of_type(Sides, (args, kwargs)):
            return target(*args, **kwargs)
        both = [(map_aggregate(args, side), map_aggregate(kwargs, side)) for side in (global_side, local_side)]
        return Sides(*(target(*some, **named) for some, named in both))  # type: ignore[arg-type]  # fx's own types

    def output_axis(self, width: int, others: Sequence[Axis]) -> tuple[Axis, bool]:
        """The axis of a layer's outputs beside its `others`, and whether entries of several networks are averaged.

        (2.7), (2.8): hidden channels are shared among the local networks. (2.14): what the network is to say, each of
        them says."""
        if not self.is_output:
            mine = share(width, self.k, self.boxes, self.unit)
            if not len(mine):
                groups = f", in groups of {self.unit} that a grouped convolution reads," if self.unit > 1 else ""
                raise too_few(self, f"{width} channels{groups}", width // self.unit)
            return Axis.of(width, mine), False
        own = self.task.divides and not any(axis.is_map for axis in others)
        return self._reconstruction(width) if own else Axis.all(width), self.task.averages

    def _reconstruction(self, width: int) -> Axis:
        """The pixels of the box among those of the image."""
        for axes in (self.input, self.input[-1:]):
            if prod(axis.whole for axis in axes) == width:
                return multiplied(axes)
        shape = [axis.whole for axis in self.input]
        raise ValueError(f"layer {self.here!r}: an autoencoder of {shape} ends in {prod(shape)} values, not in {width}")

    def fit(self, layer: nn.Module, fit: Fit) -> tuple[Cause, ...]:
        """Notes how a layer fits in; what keeps its weights from being placed as they are."""
        places = {name: index for name, index in fit.index.items() if getattr(layer, name, None) is not None}
        own = {name for name, _ in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False))}
        if computed := sorted(set(places) - own):
            raise ValueError(f"layer {self.here!r} computes its {computed[0]} from others: remove the parametrization")
        fit = Fit(fit.make, places, fit.mean, fit.alone)
        before = self.fits.setdefault(self.here, fit)
        if not _same(before, fit):
            if any(a.shape != b.shape for n in places for a, b in zip(before.index[n], places[n], strict=True)):
                raise ValueError(
                    f"layer {self.here!r} is called twice, on maps of other widths: it cannot be decomposed"
                )
            return (Cause(self.here, "is called twice, on channels of different places", "a layer for each call"),)
        causes: tuple[Cause, ...] = ()
        for name, index in places.items():
            first, tensor = self._owner.setdefault(id(getattr(layer, name)), (self.here, name))
            if not all(map(torch.equal, self.fits[first].index[tensor], index)):
                reason = f"shares its {name} with {first!r}, on other channels"
                causes += (Cause(self.here, reason, "weights of its own"),)
        return causes


def _same(one: Fit, other: Fit) -> bool:
    return all(
        a.shape == b.shape and torch.equal(a, b)
        for name in one.index
        for a, b in zip(one.index[name], other.index[name], strict=True)
    )


def _is_size(n: Any) -> bool:
    return hasattr(n, "__index__") and n > 0


def _of_type(kind: type, values: Any) -> bool:
    """Whether there is one anywhere in these arguments."""
    found = []
    map_aggregate(values, lambda each: found.append(each) if isinstance(each, kind) else None)
    return bool(found)
