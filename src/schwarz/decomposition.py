"""Decomposing a network by its width (document 3, section 2.1.2, equations 2.7 and 2.8).

A local network has the depth of the global one and a share of its width: c // N channels, one more for the first
c mod N of them. It is not written down per architecture: the global network's own graph is run on a box, and every
layer with weights is rebuilt to fit what reaches it there.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from schwarz.partition import Partition

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
WEIGHTED = (*CONVOLUTIONS, nn.Linear)


def decompose(module: nn.Module, partition: Partition, input_shape: Sequence[int]) -> list[nn.Module]:
    """N local networks with fresh weights, one per box, for a module that takes inputs of `input_shape`.

    Equation 2.7: the widths of the local networks sum up to the global one's, but for the input's channels and the
    outputs, which every local network has whole; the first dense layer takes the map of its own box.
    """
    if tuple(input_shape[-len(partition.shape) :]) != partition.shape:
        raise ValueError(f"input_shape {tuple(input_shape)} does not end in the partition's {partition.shape}")
    graph = fx.symbolic_trace(module)
    outputs = output_layers(graph)
    return [_Localiser(graph, module, outputs, k, len(partition)).fit((*input_shape[: -len(box.shape)], *box.shape))
            for k, box in enumerate(partition)]  # fmt: skip


def share(width: int, k: int, boxes: int) -> range:
    """The channels of a layer of `width` that belong to local network k."""
    sizes = [width // boxes + (i < width % boxes) for i in range(boxes)]
    return range(sum(sizes[:k]), sum(sizes[: k + 1]))


def output_layers(graph: fx.GraphModule) -> set[str]:
    """Names of the weighted layers that no other weighted layer follows: their outputs are shared, not divided."""
    feeds_weights: set[fx.Node] = set()
    names: set[str] = set()
    for node in reversed(graph.graph.nodes):
        weighted = node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), WEIGHTED)
        if weighted and node not in feeds_weights:
            names.add(str(node.target))
        if weighted or node in feeds_weights:
            feeds_weights.update(node.all_input_nodes)
    return names


def first_line(fault: Exception) -> str:
    """What torch says, without the graph it appends."""
    return str(fault).splitlines()[0]


def blank(*shape: int) -> Tensor:
    """One input of no content. Not on torch's meta device: the first use of that imports a compiler, 1.2 CPU-s."""
    return torch.zeros(1, *shape)


def passed(layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer makes of an input of no content; its mode, statistics and dtype stay as they are."""
    with torch.no_grad():
        return copy.deepcopy(layer).float().eval()(x)


class _Localiser(fx.Interpreter):
    """Runs the graph on one box of no content and rebuilds each weighted layer on the way."""

    def __init__(self, graph: fx.GraphModule, module: nn.Module, outputs: set[str], k: int, boxes: int) -> None:
        super().__init__(graph)
        self.local = copy.deepcopy(module)
        self.outputs, self.k, self.boxes = outputs, k, boxes

    def fit(self, input_shape: Sequence[int]) -> nn.Module:
        try:
            self.run(blank(*input_shape))
        except RuntimeError as fault:
            raise ValueError(
                f"box {self.k} of {tuple(input_shape)} is too small for the network: {first_line(fault)}"
            ) from None
        return self.local

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name, layer = str(target), self.fetch_attr(str(target))
        if isinstance(layer, (*WEIGHTED, *NORMS)):
            fitted = self._rebuild(name, layer, args[0]).train(layer.training)
            self.local.set_submodule(name, fitted)
        return passed(self.local.get_submodule(name), args[0])

    def _rebuild(self, name: str, layer: Any, x: Tensor) -> nn.Module:
        width = getattr(layer, "out_channels", getattr(layer, "out_features", 0))
        mine = width if name in self.outputs else len(share(width, self.k, self.boxes))
        if width and not mine:
            raise ValueError(f"layer {name!r} has {width} channels for {self.boxes} local networks: one each at least")
        kind: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
        if isinstance(layer, nn.Linear):
            return nn.Linear(x.shape[-1], mine, layer.bias is not None, **kind)
        if isinstance(layer, CONVOLUTIONS):
            if layer.groups != 1:
                raise ValueError(f"layer {name!r}: a convolution in {layer.groups} groups cannot be decomposed")
            return type(layer)(
                x.shape[1], mine, layer.kernel_size, layer.stride, layer.padding, layer.dilation,  # type: ignore[arg-type]  # its own class takes its own
                bias=layer.bias is not None, padding_mode=layer.padding_mode, **kind,
            )  # fmt: skip
        assert isinstance(layer, NORMS)
        return type(layer)(x.shape[1], layer.eps, layer.momentum, layer.affine, layer.track_running_stats, **kind)
