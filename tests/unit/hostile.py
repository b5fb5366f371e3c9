"""Short networks whose forward is a line of code, composed and run as a user would run them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from schwarz import Box, Partition, compose, decompose, verify
from schwarz.task import Task
from tests.models import IMAGE, Network, look_trained

SERIES = (6, 16)
QUARTERS = Partition.grid((16, 16), (2, 2))
COLUMNS = Partition.grid((16, 16), (1, 2))
ODD = Partition((16, 16), (Box(((0, 8), (0, 8))), Box(((5, 16), (3, 16)))))
CORNER = Partition((16, 16), (Box(((0, 8), (0, 8))),))
ROWS = Partition((6, 16), (Box(((0, 6), (0, 8))), Box(((0, 2), (8, 16)))))
ROW = Partition.grid((16,), (2,))
OVERLAP = Partition.grid((16,), (2,), overlap=2)
CROPPED = Partition.grid((16,), (2,), crop=(12,))
CLASSES, MEAN, CODE = Task.CLASSIFICATION, Task.REGRESSION, Task.AUTOENCODER


def on_maps(then: Callable[[Any, Tensor], Tensor], features: int = 8 * 196, **layers: nn.Module) -> Network:
    """A convolution, `then` on its map, and a dense layer."""
    layers |= {"conv": nn.Conv2d(3, 8, 3), "head": nn.Linear(features, 3)}
    return Network(lambda net, x: net.head(then(net, net.conv(x)).flatten(1)), **layers)


def at_end(then: Callable[[Any, Tensor], Any]) -> Network:
    """A convolution and two dense layers on its map: what `then` makes of these."""
    heads = {name: nn.Linear(8 * 196, 3) for name in ("one", "two")}
    return Network(lambda net, x: then(net, net.conv(x).flatten(1)), conv=nn.Conv2d(3, 8, 3), **heads)


def coder(then: Callable[[Tensor], Tensor]) -> Network:
    return Network(
        lambda net, x: then(net.back(net.code_of(x).relu())), code_of=nn.Linear(16, 12), back=nn.Linear(12, 16)
    )


@dataclass(frozen=True)
class Trial:
    """A network, and how it is to be cut and composed."""

    make: Callable[[], nn.Module]
    part: Partition = QUARTERS
    shape: tuple[int, ...] = IMAGE
    task: Task = CLASSES
    layer: str = ""
    """Which is expected to decide the case, where it is not exact."""


@dataclass(frozen=True)
class Outcome:
    verdict: Any
    gap: float
    """Between the module's own result and what its local networks' results make together."""


def composed(trial: Trial) -> Outcome:
    part, shape, task = trial.part, trial.shape, trial.task
    torch.manual_seed(0)
    network = trial.make().double()
    locals_ = decompose(network, part, shape, task)
    look_trained(*locals_)
    compose(network, locals_, part, task=task, input_shape=shape)
    x = torch.randn(5, *shape, dtype=torch.float64)
    kept = x.clone()
    verdict = verify(network, locals_, part, x, task=task)
    assert torch.equal(x, kept)
    for each in (network, *locals_):
        each.eval()
    with torch.no_grad():
        whole = network(x.clone())
        parts = [local(box.clone()) for local, box in zip(locals_, part.split(x), strict=True)]
    if task == Task.AUTOENCODER:
        made = part.assemble(parts)
    elif all(each.shape == whole.shape for each in parts):
        made = sum(parts) / (len(parts) if task == Task.REGRESSION else 1)
    else:
        return Outcome(verdict, torch.inf)  # no sum at all
    return Outcome(verdict, float((whole - made).abs().max()))
