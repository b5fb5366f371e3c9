"""Composing the trained local networks into one global network (document 3, section 2.2, equations 2.11 to 2.14).

One rule serves every layer. For each local network and each axis of an activation there is an index map: which global
index a local index is. Then

    weight[map_k(o), map_k(i)] += weight_k[o, i]      for every local network k, everything else 0,

and likewise for the bias. The image's channels and the classes are mapped by all, hidden channels by one, the pixels
of a flattened map by the boxes that hold them: that is 2.11 (first layer), 2.12 (connections between different local
networks are 0), 2.13 (first dense layer: the whole local map at its offset), 2.14 (last layer) and the bias sum.
Regression and autoencoders take the mean over the local networks that hold an output (2.22) instead of the sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from schwarz.cases import Case, short_of
from schwarz.correspondence import Correspondence, correspond
from schwarz.partition import Partition
from schwarz.task import Task


@dataclass(frozen=True)
class Filling:
    """How one tensor of the module is made of its parts in the local networks."""

    name: str
    layer: str
    index: tuple[tuple[Tensor, ...], ...]
    """For each local network, where its entries go."""
    mean: int | None
    """The axis of the outputs, where the mean over those that hold an output is taken."""
    by_channel: bool
    """Values of channels: the mean over those that hold one, and a channel of nobody's keeps its own."""

    def of(self, network: nn.Module) -> Tensor:
        return getattr(network.get_submodule(self.layer), self.name)


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
    needed only where the layers do not tell it, as the time steps of a recurrent network whose states are flattened.
    """
    found = matched(module, locals_, partition, task, input_shape)
    if require is not None and (cause := short_of(Case(require), found.causes)):
        raise ValueError(f"composing is not {Case(require).value} but {found.case.value}: {cause}")
    with torch.no_grad():
        for filling in fillings(module, found):
            place(filling, filling.of(module), [filling.of(local) for local in locals_])
        for name in found.fits[0]:
            _count(module.get_submodule(name), [local.get_submodule(name) for local in locals_])
    return module


def matched(
    module: nn.Module,
    locals_: Sequence[nn.Module],
    partition: Partition,
    task: Task | str = Task.CLASSIFICATION,
    input_shape: Sequence[int] | None = None,
) -> Correspondence:
    """How the module and its local networks correspond; ValueError where a local network is not one of its."""
    if isinstance(locals_, nn.Module) or not all(isinstance(local, nn.Module) for local in locals_):
        raise TypeError(f"the local networks are a list of modules, not {type(locals_).__name__}")
    if len(locals_) != len(partition):
        raise ValueError(f"{len(locals_)} local networks for {len(partition)} boxes: one each")
    found = correspond(module, partition, input_shape, task)
    guessed = "" if input_shape else " (for a guessed shape of the input: input_shape= says it)"
    for k, local in enumerate(locals_):
        have, wanted = dict(local.named_modules()), found.fits[k]
        for name, fit in wanted.items():
            if name not in have:
                raise ValueError(f"local network {k} has no layer {name!r}, as the module has")
            _shapes_agree(module.get_submodule(name), have[name], name, k, fit.index, guessed)
    return found


def place(filling: Filling, tensor: Tensor, parts: Sequence[Tensor]) -> None:
    """The rule of this file for one tensor; entries that no local network has become 0;
    values of a channel keep what they were."""
    total, count = scattered(filling.index, tensor, parts)
    if filling.mean is not None:
        total /= _holders(filling, tensor)
    if filling.by_channel:
        total = torch.where(count > 0, total / count.clamp(min=1), tensor)
    tensor.copy_(total)


def scattered(index: Sequence[tuple[Tensor, ...]], like: Tensor, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The sum of the parts, each entry where its index says, and how many parts have each entry."""
    total, count = torch.zeros_like(like), torch.zeros_like(like)
    for where, part in zip(index, parts, strict=True):
        spots, found = _spots(where, like.device)
        total.index_put_(spots, part.detach().to(like)[found], accumulate=True)
        count.index_put_(spots, torch.ones((), dtype=count.dtype, device=count.device), accumulate=True)
    return total, count


def fillings(module: nn.Module, found: Correspondence) -> list[Filling]:
    """One for every tensor that is composed; a tensor that several layers share comes once."""
    fillings: dict[int, Filling] = {}
    for layer, fit in found.fits[0].items():
        for name in fit.index:
            index = tuple(fits[layer].index[name] for fits in found.fits)
            mean = None if fit.mean is None else min(fit.mean, len(index[0]) - 1)
            tensor = getattr(module.get_submodule(layer), name)
            fillings.setdefault(id(tensor), Filling(name, layer, index, mean, bool(fit.alone)))
    return list(fillings.values())


def _holders(filling: Filling, tensor: Tensor) -> Tensor:
    """How many local networks hold each output, shaped to divide the tensor."""
    assert filling.mean is not None
    count = torch.zeros(tensor.shape[filling.mean])
    for where in filling.index:
        count[where[filling.mean].unique()] += 1
    shape = [1] * tensor.dim()
    shape[filling.mean] = -1
    return count.clamp(min=1).reshape(shape).to(tensor)


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
    layer: nn.Module, layer_k: nn.Module, name: str, k: int, places: dict[str, tuple[Tensor, ...]], guessed: str
) -> None:
    for tensor, index in places.items():
        given, leading = getattr(layer_k, tensor, None), torch.broadcast_shapes(*(axis.shape for axis in index))
        shape = tuple(given.shape) if isinstance(given, Tensor) else None
        expected = (*leading, *getattr(layer, tensor).shape[len(index) :])
        if shape != expected:
            raise ValueError(f"layer {name!r} of local network {k} has {tensor} {shape}, not {expected}{guessed}")
    more = {each for each, _ in layer_k.named_parameters(recurse=False)} - set(places)
    if more:
        raise ValueError(f"layer {name!r} of local network {k} has a {min(more)}, the module's has none")
