"""Class activation maps: where in an image a network sees a class (document 3, section 3.1.3, Figure 3.8).

The document's map of class c is M_c = sum_n w_cn X_n: the last feature maps X_n, weighted as the dense layer behind
their global average weights them. One rule makes it of any head:

    M_c(p) = sum_n X_n(p) * d logit_c / d X_n(p).

Where the head is linear in X, the gradient is its weight, and the map takes the logit apart by places:

    sum_p M_c(p) + bias_c = logit_c.

Behind global average pooling M_c is then the document's map divided by the number of places, behind a flatten it is
sum_n w_cnp X_n(p). With hidden dense layers and ReLU between, the head is linear around each image; what the sum then
leaves of the logit are the biases of the neurons that are active.

Where composing is exact, M_c of the composed network is the sum of the local networks' maps, each at its offset, with
overlap and with hidden layers too. With padding that is left, behind a flatten and one dense layer, at every place in
the field of each local network whose map holds it (2.15). Behind global pooling and one dense layer M_c is the sum of
the maps of all local networks on the whole image: each now looks at every place, and in the field of its own box sees
there what it saw alone.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.functional import interpolate

from schwarz.correspondence import trace
from schwarz.correspondence.tracing import CONVOLUTIONS, layer_of
from schwarz.modes import evaluating
from schwarz.partition import Partition

SMOOTH = {1: "linear", 2: "bilinear", 3: "trilinear"}
"""How a map with so many axes is made as large as its image."""
SIDE = 64
"""Pictures have at most so many pixels a side."""


class Maps(NamedTuple):
    """Of every image and class the map, [n, K, *places], and the score, [n, K]."""

    maps: Tensor
    logits: Tensor


class Look(NamedTuple):
    """Where one network, or several side by side, see the true class of each image."""

    maps: Tensor
    """[n, *shape of an image]."""
    says: Tensor
    """[n, networks]: the class that each of them names."""


def activation_maps(module: nn.Module, x: Tensor, at: str | None = None) -> Maps:
    """The maps of images x [n, C, *spatial], in eval mode, which is put back; ValueError for a network without feature
    maps, or without a score for each class.

    They are those of the operation `at`, by default `last_map`: a local network's last map may have one place only
    where the global network's has several, and giving both the global network's name compares the same operation.
    """
    with evaluating(module):
        graph = trace(module)
        place = at or _last_map(graph, x[:1])
        if place is None:
            raise ValueError("the network has no feature maps behind a convolution: there is nothing to map a class to")
        run = _Watched(graph, place)
        logits = run.run(x.clone())
        if not isinstance(logits, Tensor) or logits.dim() != 2 or run.features is None:
            raise ValueError(f"a class is mapped by its score, [images, classes], made of {place!r}: there is none")
        with torch.enable_grad():
            columns = logits.sum(0)  # an image's logits depend on its own features alone
            grads = [torch.autograd.grad(column, run.features, retain_graph=True)[0] for column in columns]
    features = run.features.detach()
    return Maps(torch.stack([(features * grad).sum(1) for grad in grads], 1), logits.detach())


def last_map(module: nn.Module, x: Tensor) -> str | None:
    """The last operation behind a convolution that gives several places [n, channels, *places], for images like x:
    what the head reads. Its name in the graph; None for a network without feature maps."""
    with evaluating(module):
        return _last_map(trace(module), x[:1])


def look(networks: Sequence[nn.Module], partition: Partition, x: Tensor, y: Tensor, at: str | None = None) -> Look:
    """The map of class y[i] on image x[i], each network's enlarged to its box and put there, the mean where boxes
    overlap; a global network is one on the only box."""
    parts, says = [], []
    for network, box, seen in zip(networks, partition, partition.split(x), strict=True):
        maps, logits = activation_maps(network, seen, at)
        parts.append(enlarged(maps[torch.arange(len(y)), y], box.shape))
        says.append(logits.argmax(1))
    return Look(partition.assemble(parts), torch.stack(says, 1))


def enlarged(maps: Tensor, shape: Sequence[int]) -> Tensor:
    """Maps [n, *places] over images of that shape, smoothly between the middles of the places."""
    return interpolate(maps[:, None], tuple(shape), mode=SMOOTH[len(shape)], align_corners=False)[:, 0]


def pictures(looks: Sequence[Look]) -> np.ndarray:
    """The maps as pictures [networks, n, height, width], thinned to SIDE pixels a side; of volumes the middle slice
    along the first axis. ValueError for signals, of one axis."""
    maps = torch.stack([look.maps for look in looks]).cpu()
    if maps.dim() == 5:
        maps = maps[:, :, maps.shape[2] // 2]
    if maps.dim() != 4:
        raise ValueError(f"pictures are made of maps with two or three axes, these have {maps.dim() - 2}")
    scale = min(1.0, SIDE / max(maps.shape[2:]))
    shape = [max(1, round(n * scale)) for n in maps.shape[2:]]
    return torch.stack([enlarged(each, shape) for each in maps]).numpy()


class _Watched(fx.Interpreter):
    """Runs a graph and keeps what one operation gives; gradients reach back to there."""

    def __init__(self, graph: fx.GraphModule, at: str) -> None:
        super().__init__(graph)
        self.at = at
        self.features: Tensor | None = None

    def run_node(self, n: fx.Node) -> Any:
        with torch.set_grad_enabled(self.features is not None):
            value = super().run_node(n)
        if n.name != self.at:
            return value
        self.features = features = value.detach().requires_grad_()
        with torch.enable_grad():
            return features.clone()  # the next operation may work in place


class _Shapes(fx.Interpreter):
    """Runs a graph and notes every operation from the first convolution on that gives feature maps."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.whole, self.axes = graph, 0
        self.places: dict[str, int] = {}
        """How many places the map of an operation has."""

    def run_node(self, n: fx.Node) -> Any:
        value, layer = super().run_node(n), layer_of(self.whole, n)
        if isinstance(layer, CONVOLUTIONS):
            self.axes = len(layer.kernel_size)
        if self.axes and n.op != "output" and isinstance(value, Tensor) and value.dim() == 2 + self.axes:
            self.places[n.name] = value[0, 0].numel()
        return value


def _last_map(graph: fx.GraphModule, x: Tensor) -> str | None:
    graph.graph.eliminate_dead_code()  # what is not made use of is no map that the head reads
    run = _Shapes(graph)
    with torch.no_grad():
        run.run(x.clone())
    several = [name for name, places in run.places.items() if places > 1]
    return (several or [*run.places] or [None])[-1]
