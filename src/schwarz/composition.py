"""Composing the trained local networks into one global network (document 3, section 2.2, equations 2.11 to 2.14).

One rule serves every layer. For each local network and each axis of an activation there is an index map: which global
index a local index is. Then

    weight[map_k(o), map_k(i)] += weight_k[o, i]      for every local network k, everything else 0,

and likewise for the bias. The image's channels and the classes are mapped by all, hidden channels by one, the pixels
of a flattened map by the boxes that hold them: that is 2.11 (first layer), 2.12 (connections between different local
networks are 0), 2.13 (first dense layer: the whole local map at its offset), 2.14 (last layer) and the bias sum.
Regression and autoencoders take the mean over the local networks that hold an output (2.22) instead of the sum.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from schwarz.correspondence import WEIGHTED, Case, Correspondence, correspond
from schwarz.partition import Partition
from schwarz.task import Task

MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


def compose(
    module: nn.Module,
    locals_: Sequence[nn.Module],
    partition: Partition,
    require: Case | str | None = None,
    *,
    task: Task | str = Task.CLASSIFICATION,
    input_shape: Sequence[int] | None = None,
) -> nn.Module:
    """Give `module` the weights of its trained local networks, in place; its train/eval mode is kept.

    Where the case is exact, its logits are then the sum of the local logits (Theorem 2.1, equation 2.16), with overlap
    too; `verify` says whether it is. `require="exact"` refuses what is not before anything is changed. `input_shape` is
    needed only where the layers do not tell it: the time steps of a recurrent network whose states are flattened.
    """
    found = matched(module, locals_, partition, task, input_shape)
    if require is not None and list(Case).index(found.case) > list(Case).index(Case(require)):
        raise ValueError(f"composing is not {Case(require).value} but {found.case.value}: {found.causes[0]}")
    with torch.no_grad():
        for tensor, index, parts, zeroed, mean in _tensors(module, locals_, found):
            place(tensor, index, parts, zeroed, mean)
        for name in found.places:
            _count(module.get_submodule(name), [local.get_submodule(name) for local in locals_])
    return module


def compose_moments(
    optimizer: Optimizer,
    optimizers: Sequence[Optimizer],
    module: nn.Module,
    locals_: Sequence[nn.Module],
    partition: Partition,
    *,
    task: Task | str = Task.CLASSIFICATION,
    input_shape: Sequence[int] | None = None,
) -> None:
    """Give Adam's moments of `module` those that its local networks ended with, by the same index maps.

    A moment is a mean over gradients: where several local networks hold an entry, their mean is taken. The weights
    between different networks begin without a moment, as they begin with 0.
    """
    found = matched(module, locals_, partition, task, input_shape)
    owners = list(zip(optimizers, locals_, strict=True))
    for tensor, index, parts, _, _ in _tensors(module, locals_, found):
        if not isinstance(tensor, nn.Parameter):
            continue
        states = [each.state[part] for (each, _), part in zip(owners, parts, strict=True)]
        if not all(states):
            raise ValueError("an optimizer of the local networks has no moments: it must have made a step")
        steps = torch.stack([torch.as_tensor(state["step"], dtype=torch.float32) for state in states])
        optimizer.state[tensor]["step"] = steps.max().to(states[0]["step"].device)
        for name in (name for name in MOMENTS if name in states[0]):
            moment = torch.zeros_like(tensor)
            place(moment, index, [state[name] for state in states], True, True)
            optimizer.state[tensor][name] = moment


def matched(
    module: nn.Module,
    locals_: Sequence[nn.Module],
    partition: Partition,
    task: Task | str = Task.CLASSIFICATION,
    input_shape: Sequence[int] | None = None,
) -> Correspondence:
    """How the module and its local networks correspond; ValueError where a local network is not one of its."""
    if len(locals_) != len(partition):
        raise ValueError(f"{len(locals_)} local networks for {len(partition)} boxes: one each")
    found = correspond(module, partition, input_shape, task)
    for k, local in enumerate(locals_):
        have, wanted = dict(local.named_modules()), found.fits[k]
        for name, fit in wanted.items():
            if name not in have:
                raise ValueError(f"local network {k} has no layer {name!r}, as the module has")
            _shapes_agree(module.get_submodule(name), have[name], name, k, fit.places)
    return found


def place(
    tensor: Tensor, index: Sequence[tuple[Tensor, ...]], parts: Sequence[Tensor], zeroed: bool, mean: bool
) -> None:
    """The rule of this file for one tensor: the sum, or the mean, of its parts where their indices say; entries that
    no part has become 0 where `zeroed`, and stay what they are otherwise."""
    count = torch.zeros(tensor.shape[: len(index[0])], device=tensor.device)
    total = torch.zeros_like(tensor)
    for where, part in zip(index, parts, strict=True):
        spots, found = _spots(where, tensor.device)
        total.index_put_(spots, part.detach().to(tensor)[found], accumulate=True)
        count.index_put_(spots, torch.ones((), device=tensor.device), accumulate=True)
    held = count > 0
    if mean:
        total[held] /= count[held].reshape(-1, *[1] * (total.dim() - count.dim())).to(total.dtype)
    tensor[held] = total[held]
    if zeroed:
        tensor[~held] = 0


def _tensors(
    module: nn.Module, locals_: Sequence[nn.Module], found: Correspondence
) -> Iterator[tuple[Tensor, list[tuple[Tensor, ...]], list[Tensor], bool, bool]]:
    """Every tensor to be filled, where its parts go, and these; a tensor that several layers share comes once."""
    done: set[int] = set()
    for name, places in found.places.items():
        layer, layers = module.get_submodule(name), [local.get_submodule(name) for local in locals_]
        for tensor, index in places.items():
            filled = getattr(layer, tensor)
            if id(filled) not in done:
                parts = [getattr(each, tensor) for each in layers]
                yield filled, index, parts, isinstance(layer, WEIGHTED), found.fits[0][name].mean
            done.add(id(filled))


def _count(layer: nn.Module, layers: Sequence[nn.Module]) -> None:
    """BatchNorm counts the batches it has seen."""
    for name, buffer in layer.named_buffers(recurse=False):
        if not buffer.dim():
            buffer.copy_(torch.stack([each.get_buffer(name) for each in layers]).max())


def _spots(where: tuple[Tensor, ...], device: torch.device) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Global and local indices of the entries that have a place."""
    full = torch.stack(torch.broadcast_tensors(*where))
    found = (full >= 0).all(0).nonzero(as_tuple=True)
    return tuple(axis[found].to(device) for axis in full), tuple(axis.to(device) for axis in found)


def _shapes_agree(
    layer: nn.Module, layer_k: nn.Module, name: str, k: int, places: dict[str, tuple[Tensor, ...]]
) -> None:
    for tensor, index in places.items():
        given, leading = getattr(layer_k, tensor, None), torch.broadcast_shapes(*(axis.shape for axis in index))
        shape = tuple(given.shape) if isinstance(given, Tensor) else None
        expected = (*leading, *getattr(layer, tensor).shape[len(index) :])
        if shape != expected:
            raise ValueError(f"layer {name!r} of local network {k} has {tensor} {shape}, not {expected}")
