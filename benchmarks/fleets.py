"""What it takes to train N local networks: as a loop that a user would write, and as a fleet.

Each figure is a ratio: CPU-seconds of N plain eager float32 loops with torch's default Adam over ours, one thread, each
variant in a process of its own, in turn, the median of the rounds. `distinct` has a rate for every member; `auto` is
what that engine's choice takes over the better of the two.
"""

import argparse
import copy
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.lines import Line, report
from schwarz.config import Local, Training
from schwarz.images import Labelled
from schwarz.networks import vgg9
from schwarz.networks.resnet import cifar_resnet
from schwarz.training import Member, fleets, keep_freed_memory
from schwarz.training.engine import Engine

Step = Callable[[], None]
CLASSES = 10
WARM = 2
"""Rounds before those that count."""


@dataclass(frozen=True)
class Work:
    """N networks of one kind, and at least how much less they shall take."""

    name: str
    make: Callable[[], nn.Module]
    members: int
    shape: tuple[int, ...]
    batch: int
    float32: float
    bfloat16: float | None = None


def resnet20(width: int, side: int) -> Callable[[], nn.Module]:
    return lambda: cifar_resnet((3, side, side), CLASSES, width=width, n=3)


def volumes(width: int) -> nn.Module:
    """Three 3-wide convolutions with BatchNorm, of width, twice and four times that."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.BatchNorm3d(outputs), nn.ReLU(), nn.MaxPool3d(2)]
    return nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4 * width, CLASSES))


WORKS = (
    Work("ResNet20-4-N16-8x8-32", resnet20(4, 8), 16, (3, 8, 8), 32, 5),
    Work("ResNet20-4-N16-45x45-8", resnet20(4, 45), 16, (3, 45, 45), 8, 2.5, 3.8),
    Work("ResNet20-16-N4-16x16-32", resnet20(16, 16), 4, (3, 16, 16), 32, 1.35, 1.9),
    Work("ResNet20-16-N4-16x16-128", resnet20(16, 16), 4, (3, 16, 16), 128, 1.08, 1.55),
    Work("VGG9-16-N4-16x16-128", lambda: vgg9((3, 16, 16), CLASSES), 4, (3, 16, 16), 128, 1.35, 1.85),
    Work("conv3d-8-N4-32-1", lambda: volumes(8), 4, (1, 32, 32, 32), 1, 2.8),
    Work("conv3d-2-N32-16-2", lambda: volumes(2), 32, (1, 16, 16, 16), 2, 4),
)


def plain(networks: Sequence[nn.Module], work: Work) -> Step:
    """The loop that a user would write: a network, an optimizer and a step each."""
    networks = [copy.deepcopy(network) for network in networks]
    optimizers = [torch.optim.Adam(network.parameters(), lr=1e-3) for network in networks]
    x, y = batches(work)

    def step() -> None:
        for network, optimizer, images, labels in zip(networks, optimizers, x, y, strict=True):
            optimizer.zero_grad()
            loss = cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            loss.item()

    return step


def fleet(
    networks: Sequence[nn.Module], work: Work, training: Training, together: bool, distinct: bool = False
) -> Step:
    """Ours: stacked, or one after the other."""
    copies = [copy.deepcopy(network) for network in networks]
    engines = [Engine(copies, training)] if together else [Engine([each], training) for each in copies]
    x, y = batches(work)
    rates = [1e-3 * (1 + distinct * k) for k in range(work.members)]

    def step() -> None:
        at = 0
        for engine in engines:
            mine = slice(at, at := at + engine.members)
            losses, _ = engine.step(x[mine], y[mine], rates[mine])
            losses.tolist()

    return step


def batches(work: Work) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    x = [torch.randn(work.batch, *work.shape) for _ in range(work.members)]
    return x, [torch.randint(CLASSES, (work.batch,)) for _ in range(work.members)]


VARIANTS = (
    "plain", "loop-float32", "stacked-float32", "distinct-float32", "loop-bfloat16", "stacked-bfloat16",
)  # fmt: skip


def serve(number: int, variant: str, calls: Connection) -> None:
    """A process of its own for a variant: the CPU-seconds of a step, each time it is asked."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work = WORKS[number]
    networks = [work.make().train() for _ in range(work.members)]
    if variant == "plain":
        step = plain(networks, work)
    else:
        keep_freed_memory()  # as every step of the pipeline that trains
        engine, _, precision = variant.partition("-")
        training = Training.model_validate({"precision": precision})
        step = fleet(networks, work, training, together=engine != "loop", distinct=engine == "distinct")
    while calls.recv():
        before = time.process_time()
        step()
        calls.send(time.process_time() - before)


def chosen(number: int, kind: str, answer: Connection) -> None:
    """What `auto` takes for such members when it tries them for the first time."""
    torch.set_num_threads(1)
    keep_freed_memory()
    work, generator = WORKS[number], np.random.default_rng(0)
    x = generator.normal(size=(2 * work.batch, *work.shape)).astype(np.float32)
    images = Labelled(x, generator.integers(0, CLASSES, len(x)))
    members = [Member(work.make().train(), images, None, seed=k) for k in range(work.members)]
    with tempfile.TemporaryDirectory() as nothing_remembered:
        os.environ["XDG_CACHE_HOME"] = nothing_remembered
        found = fleets(members, Local.model_validate({"batch": work.batch, "precision": kind}))
    answer.send(f"{'stacked' if len(found) == 1 else 'loop'}-{kind}")


def of_auto(number: int, kind: str) -> str:
    """The variant that it takes, in a process of its own."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=chosen, args=(number, kind, theirs))
    process.start()
    found = mine.recv()
    process.join()
    return found


def ratios(number: int, rounds: int) -> dict[str, list[float]]:
    """By how much less each variant takes than the plain loop, in every round."""
    context = get_context("spawn")
    calls, processes = {}, []
    for variant in VARIANTS:
        calls[variant], theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(number, variant, theirs), daemon=True))
        processes[-1].start()
    taken: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for round_ in range(rounds + WARM):
        for name, call in calls.items():
            call.send(True)
            taken_s = call.recv()
            if round_ >= WARM:
                taken[name].append(taken_s)
    for call, process in zip(calls.values(), processes, strict=True):
        call.send(False)
        process.join()
    return {name: [a / b for a, b in zip(taken["plain"], times, strict=True)] for name, times in taken.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    lines: list[Line] = []
    for number, work in enumerate(WORKS):
        found = ratios(number, rounds)
        for kind, least in (("float32", work.float32), ("bfloat16", work.bfloat16)):
            best = max((f"{engine}-{kind}" for engine in ("loop", "stacked")), key=lambda name: median(found[name]))
            for name in found:
                wanted = (">=", least) if least and name == best else ("", 0.0)
                if name.endswith(kind):
                    lines.append(Line(f"{work.name}-{name}", found[name], *wanted, middle=median))
            auto = [a / b for a, b in zip(found[best], found[of_auto(number, kind)], strict=True)]
            lines.append(Line(f"{work.name}-auto-{kind}", auto, "<=", 1.05, median))
    return report(lines)


if __name__ == "__main__":
    sys.exit(main())
