"""Running the global network and its local networks in step, one operation after the other."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, fx, nn

from schwarz.correspondence.outcome import Correspondence


def in_step(found: Correspondence, locals_: Sequence[nn.Module], x: Tensor) -> Iterator[tuple[fx.Node, Any, list[Any]]]:
    """Every operation with its value in the global network and in each local one, on images x; none is kept longer
    than it is needed."""
    graph = found.graph
    networks = [fx.Interpreter(graph), *(_Local(local, graph) for local in locals_)]
    inputs: list[Tensor] = [x, *(found.partition.split(x) if locals_ else [])]
    for network, images in zip(networks, inputs, strict=True):
        network.args_iter = iter([images.clone()])  # a network may work in place
        network.env = {}
    for node in graph.graph.nodes:
        if node.op == "output":
            return
        for network in networks:
            network.env[node] = network.run_node(node)
        whole, *parts = (network.env[node] for network in networks)
        yield node, whole, parts
        for done in networks[0].user_to_last_uses.get(node, []):
            for network in networks:
                del network.env[done]


class _Local(fx.Interpreter):
    """A local network, run by the graph of the global one."""

    def __init__(self, local: nn.Module, graph: fx.GraphModule) -> None:
        super().__init__(local, graph=graph.graph)
        self._whole = graph

    def fetch_attr(self, target: str) -> Any:
        """A constant tensor in the code of a network is the graph's alone."""
        return getattr(self._whole, target) if target.startswith("_tensor_constant") else super().fetch_attr(target)
