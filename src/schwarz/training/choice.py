"""Which members are trained in step: those of one shape, where that is faster.

What is faster depends on the network, the batch and the processor, so that `auto` tries it on copies: each member by
itself; all stacked; on a CUDA device also all beside each other, in streams. What it found is remembered on this
machine, so that a run that is repeated gives the same bytes; and kept beside the checkpoints, for a training that goes
on elsewhere must go on as it was.
"""

import copy
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from schwarz.config import Local, Training, digest
from schwarz.files import read_json, write_json
from schwarz.lineage import processor
from schwarz.training.device import clock, device
from schwarz.training.engine import Engine
from schwarz.training.epochs import epoch_of
from schwarz.training.member import Member
from schwarz.training.recorded import WARM
from schwarz.training.stacking import Unstackable

ROUNDS = 5
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
        _engines("stacked", members, local)
    except Unstackable:
        return apart
    if local.engine == "auto":
        spent = _spent_s(members, local)
        return apart if spent["alone"] < min(spent[way] for way in spent if way != "alone") else [places]
    return [places]


def beside(members: Sequence[Member], training: Training) -> bool:
    """Whether members in step are to be computed beside each other rather than stacked: on a CUDA device, where that is
    faster."""
    if device().type == "cpu" or len(members) == 1 or not isinstance(training, Local) or training.engine != "auto":
        return False
    spent = _spent_s(members, training)
    return spent["beside"] < spent["stacked"]


def _engines(way: str, members: Sequence[Member], local: Local) -> list[Engine]:
    """Copies of the members: each alone, or all as one engine."""
    models, objective = [copy.deepcopy(member.model) for member in members], members[0].objective
    if way == "alone":
        return [Engine([model], local, objective=objective) for model in models]
    return [Engine(models, local, objective=objective, streams=way == "beside")]


def _spent_s(members: Sequence[Member], local: Local) -> dict[str, float]:
    """What a step of all members takes, by way; from the last time that such networks were tried on this machine."""
    shapes = {name: list(value.shape) for name, value in members[0].model.state_dict().items()}
    on = torch.cuda.get_device_name() if device().type == "cuda" else processor()
    key = digest([
        torch.__version__, on, torch.get_num_threads(), shapes, str(members[0].model),
        list(members[0].train.shape), len(members), local.batch, local.precision,
    ])  # fmt: skip
    with suppress(OSError, RuntimeError, ValueError):
        return read_json(_cache() / key)
    found = _tried(members, local)
    with suppress(OSError, RuntimeError):  # no home, or one that cannot be written: tried anew each time
        write_json(_cache() / key, found)
    return found


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "schwarz" / "steps"


def _tried(members: Sequence[Member], local: Local) -> dict[str, float]:
    """The ways in turn, so that a busy machine is busy for all of them, and of each its quickest round, which others on
    the machine disturbed least; the first warms up. A CUDA device, whose memory may not hold all of them at once, is
    given one after the other."""
    if device().type == "cuda":
        return {way: _tried_there(way, members, local) for way in ("alone", "stacked", "beside")}
    steps = {way: _step(_engines(way, members, local), members, local) for way in ("alone", "stacked")}
    rounds = [{way: _timed(step) for way, step in steps.items()} for _ in range(1 + ROUNDS)][1:]
    return {way: min(each[way] for each in rounds) for way in steps}


def _tried_there(way: str, members: Sequence[Member], local: Local) -> float:
    """Seconds of a way on a CUDA device, once its step is recorded; one that does not fit there takes for ever."""
    try:
        step = _step(_engines(way, members, local), members, local)
        return min([_timed(step) for _ in range(WARM + 1 + ROUNDS)][WARM + 1 :])
    except torch.OutOfMemoryError:
        return math.inf


def _step(engines: Sequence[Engine], members: Sequence[Member], local: Local) -> Callable[[], None]:
    """A step of all members."""
    x, y = next(epoch_of([member.train for member in members], local, [member.seed for member in members], 1))

    def step() -> None:
        at = 0
        for engine in engines:
            mine = slice(at, at := at + engine.members)
            engine.step(x[mine], y[mine], [local.lr] * engine.members)

    return step


def _timed(work: Callable[[], None]) -> float:
    """Seconds, as a training counts them; on a CUDA device until it has done all."""
    began = clock()
    work()
    if device().type == "cuda":
        torch.cuda.synchronize()
    return clock() - began
