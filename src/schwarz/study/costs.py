"""What a strategy costs with its set-up: of every step of a run, whose cost it is part of."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from schwarz.config import Strategy
from schwarz.files import read_json
from schwarz.runs import RunFolder
from schwarz.steps.frame import DONE

SET_UP = ("prepare_data",)
LOCALS, TRANSFER = "train_local/*", "train_coherent/transfer"
NETWORK = "network.json"


@dataclass(frozen=True)
class Cost:
    """What steps took, reading and writing included."""

    cpu_s: float
    apart_cpu_s: float
    """If every local network had a machine of its own: of their trainings the longest counts."""
    wall_s: float
    """On the clock; it says little where others use the machine."""


def steps_of(strategy: Strategy, pretrains: bool = False) -> tuple[str, ...]:
    """The steps that must be run to have a strategy, as folders of a run's `steps`. The global network needs no boxes,
    and the coherent one, from scratch, cuts the images itself; transfer, where it pretrains local networks of its own,
    needs the boxes and no other networks. Evaluating and exporting cost all of them alike, and count for none."""
    if strategy == "global":
        return (*SET_UP, "train_global/random")
    if strategy == "coherent":
        return (*SET_UP, "train_coherent/scratch")
    if strategy == "transfer" and pretrains:
        return (*SET_UP, "split", TRANSFER)
    own = {
        "coarse": ("train_coarse",),
        "transfer": (TRANSFER,),
        "composed": ("compose",),
        "composed_tuned": ("compose", "train_global/composed"),
    }
    return (*SET_UP, "split", LOCALS, *own.get(strategy, ()))


def cost_of(run: RunFolder, strategy: Strategy) -> Cost:
    """What a strategy of a finished run cost, from what its steps wrote down."""
    done = {folder.relative_to(run.steps).as_posix(): folder for folder in run.done()}
    wanted = steps_of(strategy, strategy == "transfer" and pretrained(run) is not None)
    found = [[_step(folder) for name, folder in done.items() if fnmatch(name, each)] for each in wanted]
    return _together(_together(costs, each == LOCALS) for each, costs in zip(wanted, found, strict=True))


def pretrained(run: RunFolder) -> int | None:
    """For how many epochs `transfer` trained local networks of its own; None: it started from those of the run."""
    return read_json(run.steps / TRANSFER / NETWORK).get("pretrain")


def _together(costs: Iterable[Cost], apart: bool = False) -> Cost:
    """The cost of several steps; `apart`: they could have run at the same time."""
    costs = list(costs)
    longest = max if apart else sum
    return Cost(sum(c.cpu_s for c in costs), longest(c.apart_cpu_s for c in costs), sum(c.wall_s for c in costs))


def _step(folder: Path) -> Cost:
    """The cost of one step. A training that was cut off and went on has all its CPU-seconds in its history, and its
    `done.json` only those since."""
    done = read_json(folder / DONE)
    trained = [read_json(file)["cpu_s"][-1] for file in sorted(folder.glob("**/history.json"))]
    beside = max(done["cpu_s"] - sum(trained), 0.0)
    return Cost(beside + sum(trained), beside + max(trained, default=0.0), done["wall_s"])
