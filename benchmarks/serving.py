"""The server beside others of the same protocol: `python -m benchmarks.serving [--peers .peers]`.

kserve's SDK and mlserver, each with onnxruntime on one thread, in one process and with its quickest settings, in an
environment that is made at the first call; mlserver once more with httptools, which its package does not bring. All
serve the same files and are asked by the same client (wrk, 16 connections), in turn; ratios are of one round. Measured
on

- `small`, one dense layer on 3x32x32 pixels: what a server itself takes;
- `four`, four ResNet20 and a coarse net, as the pipeline exports them.

Before, each server must give onnxruntime's own numbers; afterwards no answer may have been anything but 200."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import psutil
import torch
from torch import nn

from benchmarks.lines import Line, report
from benchmarks.servers.graphs import IMAGES, Asked, as_bytes, as_json, four_networks, small
from benchmarks.servers.load import Counted, at_rate, cpu_s, full_load, probabilities, there
from benchmarks.servers.peers import PEERS, ready
from schwarz.int8 import quantise
from schwarz.serving.model import Model
from schwarz.serving.server import cores
from tests.unit.serving.served import Served, served

ROUNDS, SECONDS = 7, 4
TARGETS = {"json": 2.5, "binary": 4.0}
STARTS, MB = 5, 2**20
BATCHES = 10
"""In each round, for they take little, and one of them is off by a tenth."""
OURS = "ours"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=Path(".peers"), help="folder of their environments")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of load, for each server in each round")
    asked = parser.parse_args(arguments)
    if not there():
        sys.exit("serving: no wrk here, the client of this benchmark. On Debian: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        file, module = small(scratch / "small.onnx"), four_networks(scratch / "four.onnx")
        lines = started(file)
        for model in (file, scratch / "four.onnx"):
            lines += beside(model, asked.peers, scratch, asked.rounds, asked.seconds)
        lines += in_time(scratch / "four.onnx", asked.rounds, asked.seconds, scratch)
        lines += held_up(asked.rounds, asked.seconds)
        lines += computed(module, scratch / "four.onnx", asked.rounds)
    return report(lines)


def started(file: Path) -> list[Line]:
    """What a server takes until it answers, and what it holds after some requests."""
    spent, held = list[float](), list[float]()
    for _ in range(STARTS):
        with served(file) as server:
            assert ready(server, file.stem)
            spent.append(cpu_s(server))
            for body in (as_json(), as_bytes()) * 100:
                assert right(server, file, body)
            held.append(psutil.Process(server.process.pid).memory_info().rss / MB)
    return [Line("start-CPU-s", spent, "<=", 2, median), Line("memory-MB", held, "<=", 150, median)]


def beside(file: Path, cache: Path, scratch: Path, rounds: int, seconds: int) -> list[Line]:
    """Requests a second of one model, against the better of the others that take them."""
    lines = list[Line]()
    with ExitStack() as stack:
        servers = {peer.name: stack.enter_context(peer.served(file, cache, scratch)) for peer in PEERS}
        servers[OURS] = stack.enter_context(served(file))
        for body in (as_json(), as_bytes()):
            took = {name: server for name, server in servers.items() if right(server, file, body)}
            found: dict[str, list[Counted]] = {name: [] for name in took}
            for _ in range(rounds):
                for name, server in took.items():
                    found[name].append(full_load(server, file.stem, body, seconds, scratch))
            lines += compared(f"{file.stem}-{body.name}", found, TARGETS[body.name] if file.stem == "small" else None)
    return lines


def compared(name: str, found: dict[str, list[Counted]], target: float | None) -> list[Line]:
    """Each server's figures, and ours over the best of the others, round by round."""
    lines = [Line(f"{name}-{each}-a-second", [one.a_second for one in found[each]], middle=median) for each in found]
    rounds = [dict(zip(found, each, strict=True)) for each in zip(*found.values(), strict=True)]
    plain = [peer.name for peer in PEERS if peer.name in found and not peer.tuned]
    tuned = [peer.name for peer in PEERS if peer.name in found and peer.tuned]
    wanted = (">=", target) if target else ("", 0.0)
    lines.append(Line(f"{name}-over-better-peer", [_over(each, plain) for each in rounds], *wanted, middle=median))
    if tuned:
        lines.append(Line(f"{name}-over-better-tuned-peer", [_over(each, tuned) for each in rounds], middle=median))
    costs = [min(one.cpu_s for name, one in each.items() if name != OURS) / each[OURS].cpu_s for each in rounds]
    return [*lines, Line(f"{name}-CPU-better-peer-over-ours", costs, middle=median)]


def _over(counted: dict[str, Counted], others: Sequence[str]) -> float:
    return counted[OURS].a_second / max(counted[name].a_second for name in others)


def right(server: Served, file: Path, body: Asked) -> bool:
    """Whether a server takes such requests; then its answer must be onnxruntime's own."""
    found = probabilities(server, file.stem, body)
    if found is None:
        return False
    own = Model(file, "own").run({"images": IMAGES[:1]}, ["probabilities"])["probabilities"]
    assert np.abs(found - own[0]).max() < 1e-6, f"port {server.port}: {found}, onnxruntime gives {own}"
    return True


def in_time(file: Path, rounds: int, seconds: int, scratch: Path) -> list[Line]:
    """The slowest of a hundred answers, at half of what the server can do. Nothing is waited for: the window is 0."""
    model, lines = Model(file, file.stem), list[Line]()

    def own_s(pause_s: float, calls: int = 100) -> list[float]:
        """What the model takes by itself: asked again and again, or as seldom as the server is."""
        taken = list[float]()
        for _ in range(calls):
            time.sleep(pause_s)
            taken.append(_took(lambda: model.run({"images": IMAGES[:1]}, ["probabilities"])))
        return taken

    with served(file) as server:
        for body in (as_json(), as_bytes()):
            slowest, ratios, at_pace, own = list[float](), list[float](), list[float](), list[float]()
            for _ in range(rounds):
                most = full_load(server, file.stem, body, seconds, scratch).a_second
                slowest.append(quantiles(at_rate(server, file.stem, body, most / 2, seconds), n=100)[-1])
                alone = own_s(2 / most, 1000)
                ratios.append(slowest[-1] / median(own_s(0)))
                at_pace.append(slowest[-1] / median(alone))
                own.append(quantiles(alone, n=100)[-1])
            name = f"{file.stem}-{body.name}-p99"
            lines.append(Line(f"{name}-ms", [1000 * each for each in slowest], middle=median))
            lines.append(Line(f"{name}-over-model", ratios, "<=", 5, median))
            lines.append(Line(f"{name}-over-model-at-this-pace", at_pace, middle=median))
            lines.append(Line(f"{name}-of-model-alone-ms", [1000 * each for each in own], middle=median))
    return lines


CLOCK = """
import sys, time
began = before = time.perf_counter()
while before < began + float(sys.argv[1]):
    now = time.perf_counter()
    if now - before > 1e-3:
        print(now - before)
    before = now
"""


def held_up(rounds: int, seconds: int) -> list[Line]:
    """How long the machine itself holds up a process that only reads the clock, one on each core: pauses above 1 ms."""
    shares, longest = list[float](), list[float]()
    for _ in range(rounds):
        watching = [
            subprocess.Popen([sys.executable, "-c", CLOCK, str(seconds)], stdout=subprocess.PIPE, text=True)
            for _ in range(cores())
        ]
        pauses = [float(line) for each in watching for line in each.communicate()[0].splitlines()]
        shares.append(sum(pauses) / (seconds * cores()))
        longest.append(1000 * max(pauses, default=0.0))
    return [
        Line("machine-held-up-share", shares, middle=median),
        Line("machine-held-up-longest-ms", longest, middle=median),
    ]


def computed(module: nn.Module, file: Path, rounds: int) -> list[Line]:
    """A batch of 64 in eager torch over the same as it is served, in float32 and in int8, each on one thread."""
    torch.set_num_threads(1)
    quantise(file, file.with_name("int8.onnx"), IMAGES)
    models = {"float32": (Model(file, "float32"), 1.4), "int8": (Model(file.with_name("int8.onnx"), "int8"), 2.4)}
    x, ratios = torch.from_numpy(IMAGES), dict[str, list[float]]({name: [] for name in models})
    with torch.inference_mode():
        for _ in range(BATCHES * rounds + 1):
            eager_s = _took(lambda: module(x), time.process_time)
            for name, (model, _) in models.items():
                ours_s = _took(partial(model.run, {"images": IMAGES}, list(model.outputs)), time.process_time)
                ratios[name].append(eager_s / ours_s)
    return [
        Line(f"batch-64-eager-over-{name}", ratios[name][1:], ">=", wanted, median)
        for name, (_, wanted) in models.items()
    ]


def _took(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


if __name__ == "__main__":
    sys.exit(main())
