"""Composing the trained local networks into one global network (document 3, section 2.2, equations 2.11 to 2.14).

One rule serves every layer. For each local network and each axis of an activation there is an index map: which global
index a local index is. Then

    weight[map_k(o), map_k(i)] += weight_k[o, i]      for every local network k, everything else 0,

and likewise for the bias. The image's channels and the classes are mapped by all, hidden channels by one, the pixels
of a flattened map by the boxes that hold them: that is 2.11 (first layer), 2.12 (connections between different local
networks are 0), 2.13 (first dense layer: the whole local map at its offset), 2.14 (last layer) and the bias sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Any

import torch
from torch import Tensor, fx, nn

from schwarz.decomposition import CONVOLUTIONS, NORMS, WEIGHTED, blank, output_layers, passed, share
from schwarz.partition import Partition

POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ELEMENTWISE = (nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.Dropout, nn.Identity)


@dataclass(frozen=True)
class Activation:
    """An activation of the global network and of local network k, without content, and how they correspond."""

    whole: Tensor
    local: Tensor
    maps: tuple[Tensor, ...]
    """For each axis after the batch, the global index of every local index."""
    starts: tuple[Fraction, ...]
    """For each partitioned axis, where the box begins on this map: its first pixel over the strides so far, exactly."""


def compose(module: nn.Module, locals_: Sequence[nn.Module], partition: Partition) -> nn.Module:
    """Give `module` the weights of its trained local networks, in place; its train/eval mode is kept.

    With `valid` padding, a dense head on the flattened map, BatchNorm in eval mode and box starts that the total
    stride divides, its logits are then the sum of the local logits (Theorem 2.1, equation 2.16), with overlap too.
    With `same` padding this holds for the features on the activation field only.
    """
    if len(locals_) != len(partition):
        raise ValueError(f"{len(locals_)} local networks for {len(partition)} boxes: one each")
    graph = fx.symbolic_trace(module)
    input_shape = (*_channels(graph), *partition.shape)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, WEIGHTED):
                for parameter in layer.parameters():
                    parameter.zero_()
        for k, local in enumerate(locals_):
            _Placer(graph, local, k, len(partition)).run(_image(input_shape, partition, k))
    return module


def _channels(graph: fx.GraphModule) -> tuple[int, ...]:
    """What stands before the partitioned axes of an input: the channels of the first convolution, if there is one."""
    called = (graph.get_submodule(str(node.target)) for node in graph.graph.nodes if node.op == "call_module")
    first = next(layer for layer in called if isinstance(layer, WEIGHTED))
    return (first.in_channels,) if isinstance(first, CONVOLUTIONS) else ()


def _image(input_shape: Sequence[int], partition: Partition, k: int) -> Activation:
    """The input: its channels are shared by all, its pixels those of box k."""
    lead, box = input_shape[: -len(partition.shape)], partition.boxes[k]
    return Activation(
        blank(*input_shape),
        blank(*lead, *box.shape),
        (*(torch.arange(n) for n in lead), *(torch.arange(start, stop) for start, stop in box)),
        tuple(Fraction(start) for start, _ in box),
    )


class _Placer(fx.Interpreter):
    """Follows the index maps of local network k through the graph and places its weights on the way."""

    def __init__(self, graph: fx.GraphModule, local: nn.Module, k: int, boxes: int) -> None:
        super().__init__(graph)
        self.trained, self.k, self.boxes = local, k, boxes
        self.outputs = output_layers(graph)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Activation:
        name, before = str(target), args[0]
        layer, layer_k = self.fetch_attr(name), self.trained.get_submodule(name)
        after = replace(before, whole=passed(layer, before.whole), local=passed(layer_k, before.local))
        if isinstance(layer, CONVOLUTIONS):
            return _strided(after, self._place(name, layer, layer_k, before.maps[0]), layer.stride)
        if isinstance(layer, nn.Linear):
            return replace(after, maps=(*before.maps[:-1], self._place(name, layer, layer_k, before.maps[-1])))
        if isinstance(layer, NORMS):
            _place_statistics(layer, layer_k, before.maps[0])
            return after
        if isinstance(layer, POOLS):
            return _strided(after, before.maps[0], layer.stride)
        if isinstance(layer, ELEMENTWISE):
            return after
        raise ValueError(f"layer {name!r}: {type(layer).__name__} cannot be composed")

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Activation:
        if target is torch.flatten and args[1:] == (1,):
            return _flattened(args[0])
        raise ValueError(f"operation {getattr(target, '__name__', target)!r} cannot be composed")

    def _place(self, name: str, layer: Any, layer_k: Any, inputs: Tensor) -> Tensor:
        """The rule of this file, for one layer; returns the map of its outputs."""
        width = layer.weight.shape[0]
        outputs = torch.tensor(range(width) if name in self.outputs else share(width, self.k, self.boxes))
        expected = (len(outputs), len(inputs), *layer.weight.shape[2:])
        if layer_k.weight.shape != expected:
            raise ValueError(
                f"layer {name!r} of local network {self.k} has weights {tuple(layer_k.weight.shape)}, not {expected}"
            )
        layer.weight[outputs[:, None], inputs[None, :]] += layer_k.weight
        if layer.bias is not None:
            layer.bias[outputs] += layer_k.bias
        return outputs


def _place_statistics(layer: Any, layer_k: Any, channels: Tensor) -> None:
    """BatchNorm: scale, shift and running statistics belong to a channel and go where the channel goes."""
    for name, value in layer_k.state_dict().items():
        own = layer.state_dict()[name]
        if value.dim():
            own[channels] = value
        else:
            own.copy_(value)


def _strided(after: Activation, channels: Tensor, stride: Any) -> Activation:
    """Where the local map lies in the global one after a stride: at its start over all strides so far, rounded half up
    once, and clipped to fit. Rounding anew at each stride would put boxes side by side on top of each other."""
    strides = (stride,) * len(after.starts) if isinstance(stride, int) else stride
    starts = tuple(start / step for start, step in zip(after.starts, strides, strict=True))
    sizes = zip(starts, after.whole.shape[2:], after.local.shape[2:], strict=True)
    spatial = (torch.arange(part) + min(floor(start + Fraction(1, 2)), whole - part) for start, whole, part in sizes)
    return replace(after, maps=(channels, *spatial), starts=starts)


def _flattened(x: Activation) -> Activation:
    """Flattening multiplies out the positions: row-major global indices of every local position."""
    index = torch.zeros(1, dtype=torch.long)
    for size, indices in zip(x.whole.shape[1:], x.maps, strict=True):
        index = (index[:, None] * size + indices[None, :]).flatten()
    return Activation(x.whole.flatten(1), x.local.flatten(1), (index,), ())
