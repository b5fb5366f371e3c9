"""A network as its graph of operations, and what the graph as a whole says about its layers."""

from inspect import signature
from itertools import islice, takewhile
from math import lcm
from typing import Any

from torch import fx, nn
from torch.fx.proxy import TraceError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)
CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
SAME = {*vars(type("_", (), {})), "__init__", "__annotations__", "__constants__", "__repr__", "extra_repr",
        "reset_parameters"}  # fmt: skip
"""What a class may define that is derived from one of torch's layers, and is that layer still."""
IN_PLACE = {"iadd", "isub", "imul", "itruediv"}
VIEWS = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
VIEW_WORDS = {"getitem", "view", "reshape", "flatten", "permute", "transpose", "swapaxes", "squeeze", "unsqueeze",
              "contiguous", "detach", "to", "float", "double", "dropout", "dropout1d", "dropout2d",
              "dropout3d"}  # fmt: skip
WEIGHTED = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear, *RECURRENT, *CELLS)


class _Tracer(fx.Tracer):
    """torch.fx, but it knows in which part of the module it is when it fails, and takes a layer that somebody derived
    from one of torch's, without another forward, for that one."""

    path = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        derived = list(takewhile(lambda base: not base.__module__.startswith("torch.nn"), type(m).__mro__))
        known = type(m).__mro__[len(derived)]
        changed = {name for base in derived for name in vars(base) if hasattr(known, name)} - SAME
        return known is not nn.Module and known is not nn.Sequential and not changed

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """The image alone is followed; whatever else `forward` takes has its default."""
        _, image = islice(signature(root_fn).parameters, 2)
        return root_fn, [self.root, self.create_proxy("placeholder", image, (), {})]

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        before, self.path = self.path, self.path_of_module(m)
        result = super().call_module(m, forward, args, kwargs)
        self.path = before  # not in a `finally`: a fault keeps the path of the innermost module
        return result


def trace(module: nn.Module) -> fx.GraphModule:
    """The graph of a module; ValueError naming the part of it that torch.fx cannot follow."""
    tracer, before = _Tracer(), set(vars(module))
    try:
        graph = fx.GraphModule(module, tracer.trace(module))
    except (TraceError, TypeError, ValueError, RuntimeError, AttributeError, NameError) as fault:
        place = f"{tracer.path!r} ({type(module.get_submodule(tracer.path)).__name__})" if tracer.path else "the module"
        remedy = "What it does must not depend on values or shapes."
        if "not installed as a submodule" in str(fault):
            remedy = "Make its layers in __init__, and call them in forward."
        raise ValueError(f"{place} cannot be traced: {first_line(fault)}. {remedy}") from None
    finally:
        for constant in set(vars(module)) - before:  # torch.fx leaves them behind; the graph has its own
            delattr(module, constant)
    _without_places(graph)
    return graph


def _without_places(graph: fx.GraphModule) -> None:
    """Whoever reads what an operation has changed in place reads its result; ValueError where a view was changed."""
    order = {node: i for i, node in enumerate(graph.graph.nodes)}
    shown: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        given = node.all_input_nodes
        changed = given[0] if given and _in_place(graph, node) else None
        shown[node] = shown[given[0]] if changed or (given and _shows(graph, node)) else node
        if changed is None:
            continue
        for other, base in shown.items():
            late = [user for user in other.users if order[user] > order[node]]
            if base is shown[node] and late and other not in (node, changed):
                raise ValueError(
                    f"operation {name_of(node)!r} changes in place what {name_of(other)!r} shows too: it cannot be "
                    "composed. Let it make a new tensor"
                )
        changed.replace_all_uses_with(node, lambda user, node=node: order[user] > order[node])


def _in_place(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether an operation changes its first operand."""
    name = _word(node)
    if node.op == "call_module":
        return getattr(layer_of(graph, node), "inplace", False)
    return (name.endswith("_") and not name.startswith("_")) or name in IN_PLACE or bool(node.kwargs.get("inplace"))


def _shows(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether an operation may give its first operand itself, or a view of it."""
    return isinstance(layer_of(graph, node), VIEWS) or _word(node) in VIEW_WORDS


def first_line(fault: Exception) -> str:
    """What torch says, without what it appends."""
    return (str(fault).strip().splitlines() or [type(fault).__name__])[0].rstrip(".")


def layer_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The layer that a node calls, if it calls one."""
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def name_of(node: fx.Node) -> str:
    """How a person finds an operation: the path of the layer, or the operation and the part of the module it is in."""
    if node.op == "call_module":
        return str(node.target)
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return f"{stack[-1][0]}.{_word(node)}" if stack and stack[-1][0] else _word(node)


def _word(node: fx.Node) -> str:
    """What a function or method is called."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def output_layers(graph: fx.GraphModule) -> set[str]:
    """Names of the weighted layers that no other weighted layer follows: their outputs are shared, not divided."""
    feeds_weights: set[fx.Node] = set()
    names: set[str] = set()
    for node in reversed(graph.graph.nodes):
        weighted = isinstance(layer_of(graph, node), WEIGHTED)
        if weighted and node not in feeds_weights:
            names.add(str(node.target))
        if weighted or node in feeds_weights:
            feeds_weights.update(node.all_input_nodes)
    return names


def units(graph: fx.GraphModule) -> dict[fx.Node, int]:
    """How many consecutive channels of each node must stay in one network, because a grouped convolution that
    follows reads them together. What passes channels on, and what adds them, ties nodes to one another."""
    unit = dict.fromkeys(graph.graph.nodes, 1)
    changed = True
    while changed:
        before = dict(unit)
        for node in graph.graph.nodes:
            layer = layer_of(graph, node)
            inputs = [each for each in node.all_input_nodes if each.op not in ("get_attr", "placeholder")]
            if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED)) and layer.groups > 1:
                read, made = layer.in_channels // layer.groups, layer.out_channels // layer.groups
                source = inputs[0] if inputs else node
                groups = lcm(read, unit[source]) // read if inputs else 1
                groups = lcm(groups, lcm(made, unit[node]) // made)
                unit[source], unit[node] = groups * read, groups * made
            elif not isinstance(layer, WEIGHTED) and not _joins(node):
                unit |= dict.fromkeys((node, *inputs), lcm(unit[node], *(unit[each] for each in inputs)))
        changed = unit != before
    return unit


def _joins(node: fx.Node) -> bool:
    return _word(node) in ("cat", "concat", "concatenate", "stack", "flatten", "reshape", "view", "output")
