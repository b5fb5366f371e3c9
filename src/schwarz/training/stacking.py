"""Several networks of one shape as one: what N small networks compute apart, in fewer and larger operations.

Channels of all members lie side by side: a convolution becomes a grouped one, a group for each member, and BatchNorm is
over all channels. From the first `Flatten` or dense layer on members have an axis of their own, which comes first: a
dense layer is one batched product, and between them stands only what treats every value alike. No value of one member
enters another, so that the sum of the members' losses gives each the gradients of its own.

Where a member has few channels, a processor's vectors are wider than a group: several members then share a group, with
zeros between them. (0 times infinity is no number: what one member loses there, its neighbours lose too.)
"""

import copy
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from schwarz.coherent import Preprocess, Whole
from schwarz.correspondence import trace
from schwarz.correspondence.tracing import layer_of, name_of

CHANNELS = 16
"""As many as a vector of AVX-512 holds float32."""
CONVOLUTIONS = {nn.Conv1d: F.conv1d, nn.Conv2d: F.conv2d, nn.Conv3d: F.conv3d}
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
EVERYWHERE = (nn.ReLU, nn.Tanh, nn.Identity)
"""Layers that do the same to every value."""
ALIKE = (*EVERYWHERE, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d,
         nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)  # fmt: skip
"""Layers that do the same to every channel."""
FUNCTIONS = {"add", "relu", "tanh", "getitem"}
"""Functions and methods that do so."""


class Unstackable(ValueError):
    """Why these networks cannot be one: each is then trained by itself."""


class Convolutions(nn.Module):
    """A convolution of every member, `together` of them in a group."""

    def __init__(self, layers: Sequence[Any], together: int) -> None:
        super().__init__()
        first = layers[0]
        if first.groups > 1 or first.padding_mode != "zeros":
            raise Unstackable("a grouped or circular convolution")
        self.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]))
        self.bias = None if first.bias is None else nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]))
        self.groups, self.together = len(layers) // together, together
        self.convolve = CONVOLUTIONS[type(first)]
        self.options = (first.stride, first.padding, first.dilation)
        own = torch.eye(together, dtype=first.weight.dtype)
        self.register_buffer("own", own.reshape(1, together, 1, together, *[1] * (first.weight.dim() - 1)), False)

    def forward(self, x: Tensor) -> Tensor:
        weight, (outputs, inputs, *taps) = self.weight, self.weight.shape
        if self.together > 1:
            apart = weight.reshape(self.groups, self.together, -1, 1, inputs, *taps) * self.get_buffer("own")
            weight = laid_out(apart.reshape(outputs, self.together * inputs, *taps))
        return self.convolve(x, weight, self.bias, *self.options, self.groups)


class Dense(nn.Module):
    """A dense layer of every member: [members, batch, ..., inputs] -> [members, batch, ..., outputs]."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        if layers[0].bias is None:
            raise Unstackable("a dense layer without bias")
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.baddbmm(self.bias, x.flatten(1, -2), self.weight.transpose(1, 2))
        return y if x.dim() == 3 else y.unflatten(1, x.shape[1:-1])


class Apart(nn.Module):
    """Flatten: [batch, members * channels, *spatial] -> [members, batch, channels * spatial]."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.members, -1).transpose(0, 1)


def apart_as_it_is(x: Tensor, members: int) -> Tensor:
    """[batch, members * channels, ...] -> [members, batch, channels, ...]."""
    return x.unflatten(1, (members, -1)).transpose(0, 1)


def stacked(networks: Sequence[nn.Module], apart: bool = False, bfloat16: bool = False) -> nn.Module:
    """One network with the weights of all: images [batch, members * channels, *spatial] -> [members, batch, ...], what
    each answers.

    Its state has the names of a member's, each tensor theirs one after the other. `apart`: no group of a convolution
    has several members. `Unstackable` says why it cannot be.
    """
    if isinstance(networks[0], Whole):
        preprocesses, inner = zip(*((each.preprocess, each.network) for each in networks), strict=True)
        return Whole(side_by_side(preprocesses), stacked(inner, apart, bfloat16))
    shapes = [{name: value.shape for name, value in network.state_dict().items()} for network in networks]
    if any(shape != shapes[0] for shape in shapes):
        raise Unstackable("networks of other shapes")
    graph = trace(networks[0])
    whole, behind = copy.deepcopy(graph), _behind(graph)
    for node in graph.graph.nodes:
        if node.op == "call_module":
            joined = not behind & set(node.all_input_nodes)
            _replace(whole, str(node.target), _layer(graph, node, networks, apart, bfloat16, joined))
        elif node.op not in ("placeholder", "output") and not _alike(node):
            raise Unstackable(f"the operation {name_of(node)!r}")
    _part(whole, {node.name for node in behind}, len(networks))
    for node in whole.graph.nodes:
        if node.target is operator.add and isinstance(node.args[0], fx.Node) and _passes(graph, node.args[0]):
            node.target = add_into
    whole.recompile()
    return whole.train(networks[0].training)


def add_into(x: Tensor, y: Tensor) -> Tensor:
    """x + y in the memory of x, where it fits."""
    return x.add_(y) if x.shape == y.shape and x.dtype == y.dtype else x + y


def _behind(graph: fx.GraphModule) -> set[fx.Node]:
    """The results in which members have an axis of their own."""
    behind: set[fx.Node] = set()
    for node in graph.graph.nodes:
        if isinstance(layer_of(graph, node), (nn.Flatten, nn.Linear)) or behind & set(node.all_input_nodes):
            behind.add(node)
    return behind


def _part(whole: fx.GraphModule, behind: set[str], members: int) -> None:
    """Give members an axis of their own where a dense layer or the end of the network needs it and they have none."""
    for node in list(whole.graph.nodes):
        if node.op == "output" or isinstance(layer_of(whole, node), Dense):
            for source in node.all_input_nodes:
                if source.name not in behind:
                    with whole.graph.inserting_before(node):
                        parted = whole.graph.call_function(apart_as_it_is, (source, members))
                    node.replace_input_with(source, parted)


def _layer(
    graph: fx.GraphModule, node: fx.Node, networks: Sequence[nn.Module], apart: bool, bfloat16: bool, joined: bool
) -> nn.Module:
    """The layer of all members; `joined`: what it is given holds them side by side, as channels."""
    layers: list[Any] = [network.get_submodule(str(node.target)) for network in networks]
    first = layers[0]
    if not joined and type(first) not in (nn.Linear, *EVERYWHERE):
        raise Unstackable(f"the layer {node.target!r}, a {type(first).__name__} behind a dense one")
    if type(first) in CONVOLUTIONS:
        return Convolutions(layers, 1 if apart else _together(len(layers), first, bfloat16))
    if type(first) in NORMS:
        return _norm(layers)
    if type(first) is nn.Linear:
        return Dense(layers)
    if type(first) is nn.Flatten and first.start_dim == 1:
        return Apart(len(layers))
    if type(first) is nn.ReLU:
        return nn.ReLU(inplace=_passes(graph, node.all_input_nodes[0]))
    if type(first) in ALIKE:
        return first
    raise Unstackable(f"the layer {node.target!r}, a {type(first).__name__}")


def _alike(node: fx.Node) -> bool:
    """Whether a function does the same to every channel; of slices, those of the spatial axes."""
    name = getattr(node.target, "__name__", node.target)
    key = node.args[1] if name == "getitem" else (...,)
    return name in FUNCTIONS and isinstance(key, tuple) and key[0] is ...


def _passes(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether an operation passes its result on to one other and needs it no more, so that it may be overwritten."""
    kinds = (*CONVOLUTIONS, *NORMS, nn.Linear)
    return len(node.users) == 1 and (isinstance(layer_of(graph, node), kinds) or node.target is operator.add)


def _together(members: int, layer: Any, bfloat16: bool) -> int:
    """Members in a group, as was measured fastest: in float32 so many that it has at most `CHANNELS` outputs, of a
    1-wide convolution one; in bfloat16, whose products are of twice as many, so many that it has that many inputs."""
    together = 1

    def more() -> bool:
        if bfloat16:
            return together * layer.in_channels < CHANNELS
        return 2 * together * layer.out_channels <= CHANNELS and max(layer.kernel_size) > 1

    while members % (2 * together) == 0 and more():
        together *= 2
    return together


def _norm(layers: Sequence[Any]) -> nn.Module:
    first = layers[0]
    whole = type(first)(
        first.num_features * len(layers), first.eps, first.momentum, first.affine, first.track_running_stats,
        dtype=first.weight.dtype,
    )  # fmt: skip
    states = [layer.state_dict() for layer in layers]
    whole.load_state_dict({
        name: torch.cat([state[name] for state in states]) if value.dim() else value
        for name, value in states[0].items()
    })  # fmt: skip
    return whole


def side_by_side(preprocesses: Sequence[Preprocess]) -> Preprocess:
    """Each member's channels as its own network would see them."""
    whole = copy.deepcopy(preprocesses[0])
    for name in ("mean", "scale"):
        setattr(whole, name, torch.cat([each.get_buffer(name) for each in preprocesses]))
    return whole


def _replace(module: nn.Module, path: str, layer: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, layer)


def laid_out(tensor: Tensor) -> Tensor:
    """Channels last, as convolutions on a CPU are fastest: 1.3 times in training, twice in evaluation."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return tensor.contiguous(memory_format=formats.get(tensor.dim(), torch.contiguous_format))
