"""The table of `fleets` on a CUDA device: what N plain eager loops take over ours, of one precision on both sides, and
how many images a second that is, of what the device's matrix products could do. Seconds, for the processor only waits;
variants in turn, the median of the rounds. `--device cpu` tries the benchmark itself, on whatever it takes there."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.fleets import WORKS, Work, batches
from benchmarks.lines import Line, report
from schwarz.config import Training
from schwarz.cost import cost
from schwarz.training.engine import Engine
from schwarz.training.recorded import WARM

Step = Callable[[], object]
TARGETS = {4: 8.0, 16: 15.0}
"""By how many networks, in bfloat16."""
SIDE, BACKWARD = 8192, 3
"""Of the matrices whose product stands for the device's peak; a step's operations in terms of a forward pass's."""


def plain(networks: Sequence[nn.Module], work: Work, kind: str, device: str) -> Step:
    """The loop that a user would write, whose convolutions may add up in any order."""
    optimizers = [torch.optim.Adam(network.parameters(), lr=1e-3) for network in networks]
    x, y = ([each.to(device) for each in some] for some in batches(work))

    def step() -> None:
        torch.backends.cudnn.deterministic = False
        for network, optimizer, images, labels in zip(networks, optimizers, x, y, strict=True):
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16, enabled=kind == "bfloat16"):
                loss = cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
        torch.backends.cudnn.deterministic = True  # as `schwarz.training` has it

    return step


def ours(engines: Sequence[Engine], work: Work, device: str) -> Step:
    """One engine of all networks, or one for each, on images that lie on the device."""
    x, y = ([each.to(device) for each in some] for some in batches(work))

    def step() -> None:
        at = 0
        for engine in engines:
            mine = slice(at, at := at + engine.members)
            engine.step(x[mine], y[mine], [1e-3] * engine.members)

    return step


def variants(work: Work, kind: str, device: str) -> dict[str, Step]:
    def networks() -> list[nn.Module]:
        return [work.make().to(device).train() for _ in range(work.members)]

    training = Training.model_validate({"precision": kind})
    return {
        "plain": plain(networks(), work, kind, device),
        "loop": ours([Engine([each], training) for each in networks()], work, device),
        "stacked": ours([Engine(networks(), training)], work, device),
        "streams": ours([Engine(networks(), training, streams=True)], work, device),
    }


def seconds(step: Step, times: int, device: str) -> float:
    """What one of so many steps takes until the device has done them."""
    began = time.perf_counter()
    for _ in range(times):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def measured(work: Work, kind: str, device: str, rounds: int, times: int) -> dict[str, list[float]]:
    steps = variants(work, kind, device)
    for step in steps.values():
        seconds(step, WARM + 2, device)  # until they are recorded
    return {
        name: list(column)
        for name, column in zip(
            steps,
            zip(*([seconds(step, times, device) for step in steps.values()] for _ in range(rounds)), strict=True),
            strict=True,
        )
    }


def peak(kind: str, device: str, side: int) -> float:
    """Operations a second of a large matrix product."""
    a = torch.randn(side, side, device=device, dtype=getattr(torch, kind))
    taken = [seconds(lambda: torch.mm(a, a), 3, device) for _ in range(4)][1:]
    return 2 * side**3 / median(taken)


def lines(work: Work, kind: str, device: str, rounds: int, times: int, most: float) -> Iterator[Line]:
    taken = measured(work, kind, device, rounds, times)
    ratios = {
        name: [a / b for a, b in zip(taken["plain"], taken[name], strict=True)] for name in taken if name != "plain"
    }
    best = max(ratios, key=lambda name: median(ratios[name]))
    for name, values in ratios.items():
        target = TARGETS.get(work.members) if kind == "bfloat16" and name == best else None
        yield Line(f"{work.name}-{name}-{kind}", values, *((">=", target) if target else ("", 0.0)), middle=median)
    a_second = [work.members * work.batch / s for s in taken[best]]
    yield Line(f"{work.name}-images-a-second-{kind}", a_second, middle=median)
    done = BACKWARD * cost(work.make(), work.shape).flops
    yield Line(f"{work.name}-share-of-peak-{kind}", [done * each / most for each in a_second], middle=median)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="in a round")
    parser.add_argument("--side", type=int, default=SIDE, help="of the matrices")
    asked = parser.parse_args(arguments)
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device is here: nothing is measured")
        return 0
    os.environ["SCHWARZ_DEVICE"] = asked.device
    torch.manual_seed(0)
    found: list[Line] = []
    for kind in ("float32", "bfloat16"):
        most = peak(kind, asked.device, asked.side)
        for work in WORKS:
            found += lines(work, kind, asked.device, asked.rounds, asked.steps, most)
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
