"""Which members are trained in step: those of one shape, where that is faster.

What is faster depends on the network, the batch and the processor, so that `auto` tries both on copies. What it found
is remembered on this machine, so that a run that is repeated gives the same bytes; and kept beside the checkpoints, for
a training that goes on elsewhere must go on as it was.
"""

import copy
import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import torch

from schwarz.config import Local, digest
from schwarz.files import read_json, write_json
from schwarz.training.device import device
from schwarz.training.engine import Engine
from schwarz.training.epochs import epoch_of
from schwarz.training.member import Member
from schwarz.training.stacking import Unstackable

ROUNDS = 3
KEPT = "fleets.json"


def fleets(members: Sequence[Member], local: Local, folder: Path | None = None) -> list[list[int]]:
    """Which members are trained together, by their places; a choice that is kept in `folder` is made once."""
    if folder is not None and (folder / KEPT).exists():
        return read_json(folder / KEPT)
    chosen = [fleet for alike in _alike(members) for fleet in _chosen([members[k] for k in alike], alike, local)]
    if folder is not None:
        write_json(folder / KEPT, chosen)
    return chosen


def _alike(members: Sequence[Member]) -> list[list[int]]:
    """Members of one task and start whose images, weights and numbers of images have the same shapes."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for k, member in enumerate(members):
        held = member.validation and (len(member.validation), *member.validation.shape)
        shapes = tuple((name, value.shape) for name, value in member.model.state_dict().items())
        begun = member.start and member.start.steps
        groups.setdefault((member.task, begun, len(member.train), member.train.shape, held, shapes), []).append(k)
    return list(groups.values())


def _chosen(members: Sequence[Member], places: list[int], local: Local) -> list[list[int]]:
    apart = [[k] for k in places]
    if local.engine == "loop" or len(members) == 1:
        return apart
    try:
        together = Engine([copy.deepcopy(member.model) for member in members], local, objective=members[0].objective)
    except Unstackable:
        return apart
    if local.engine == "auto" and not _remembered(together, members, local):
        return apart
    return [places]


def _remembered(together: Engine, members: Sequence[Member], local: Local) -> bool:
    """Whether training in step is faster, from the last time that such networks were tried on this machine."""
    shapes = {name: list(value.shape) for name, value in members[0].model.state_dict().items()}
    machine = [torch.__version__, platform.processor(), platform.machine(), torch.get_num_threads(), str(device())]
    key = digest([*machine, shapes, list(members[0].train.shape), len(members), local.batch, local.precision])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "schwarz" / "faster-in-step"
    if not (cache / key).exists():
        found = _faster(together, members, local)
        with suppress(OSError):  # a home that cannot be written: tried anew each time
            write_json(cache / key, found)
        return found
    return read_json(cache / key)


def _faster(together: Engine, members: Sequence[Member], local: Local) -> bool:
    """Whether a step of all members takes less of the processor's time than one of each of them."""
    alone = [Engine([copy.deepcopy(member.model)], local, objective=member.objective) for member in members]
    seeds = [member.seed for member in members]
    x, y = next(epoch_of([member.train for member in members], local, seeds, 1))
    rates = [local.lr] * len(members)

    def each() -> None:
        for engine, images, classes in zip(alone, x, y, strict=True):
            engine.step([images], [classes], rates[:1])

    def all_() -> None:
        together.step(x, y, rates)

    times = [(_spent_s(all_), _spent_s(each)) for _ in range(ROUNDS + 1)][1:]  # the first one of each warms up
    return median(a / b for a, b in times) < 1


def _spent_s(work: Callable[[], None]) -> float:
    """CPU-seconds; on a CUDA device, whose work the processor only waits for, seconds."""
    clock = time.process_time if device().type == "cpu" else time.perf_counter
    began = clock()
    work()
    if device().type == "cuda":
        torch.cuda.synchronize()
    return clock() - began
