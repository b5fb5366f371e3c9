"""What training takes beyond its steps, and what local networks take against the global one: `python -m
benchmarks.training`. CPU-seconds of one thread, each variant in a process of its own, in turn; medians."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.fleets import CLASSES, Work, batches
from benchmarks.lines import Line, report
from schwarz.config import Training
from schwarz.cost import cost
from schwarz.images import Labelled
from schwarz.journal import Journal
from schwarz.networks import vgg9
from schwarz.networks.resnet import cifar_resnet
from schwarz.steps.follow import Followers
from schwarz.training import Checkpoints, Member, fit_in_step, keep_freed_memory
from schwarz.training.engine import Engine

ROUNDS, IMAGES, EPOCHS = 5, 2560, 12
RESNETS = {
    "local": Work("local", lambda: cifar_resnet((3, 16, 16), CLASSES, width=16, n=5), 4, (3, 16, 16), 128, 0),
    "global": Work("global", lambda: cifar_resnet((3, 32, 32), CLASSES, width=64, n=5), 1, (3, 32, 32), 128, 0),
}
FLEET = Work("fleet", lambda: vgg9((3, 16, 16), CLASSES, width=16), 4, (3, 16, 16), 128, 0)


def steps(name: str, calls: Connection) -> None:
    """CPU-seconds of a step of all members, each time it is asked."""
    ready()
    work = RESNETS[name]
    engine = Engine([work.make().train() for _ in range(work.members)], Training())
    x, y = batches(work)
    while calls.recv():
        before = time.process_time()
        engine.step(x, y, [1e-3] * work.members)[0].tolist()
        calls.send(time.process_time() - before)


def whole(told: bool, answer: Connection) -> None:
    """CPU-seconds of a training of VGG9, with checkpoints, progress and curves as a step has them or without."""
    ready()
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        journal, training = Journal(Path(folder) / "journal.jsonl", "bench"), Training(epochs=EPOCHS, batch=64)
        followers = Followers(journal, training, *(f"local {k}" for k in range(FLEET.members)))
        members = []
        for k in range(FLEET.members):
            x = generator.normal(size=(IMAGES, *FLEET.shape)).astype(np.float32)
            images = Labelled(x, generator.integers(0, CLASSES, IMAGES))
            member = Member(FLEET.make(), images, Labelled(x[:256], images.y[:256]), seed=k)
            member.on_epoch = partial(followers.epoch, f"local {k}") if told else member.on_epoch
            members.append(member)
        before = time.process_time()
        fit_in_step(members, training, Checkpoints(Path(folder) / "checkpoints", {}) if told else None)
        answer.send(time.process_time() - before)


def memory(answer: Connection) -> None:
    """Bytes that steps of a fleet took at most, over what `schwarz.cost` says of its members."""
    ready()
    x, y = batches(FLEET)
    networks = [FLEET.make().train() for _ in range(FLEET.members)]
    each = cost(networks[0], FLEET.shape)
    wanted = FLEET.members * (each.optimizer_bytes + FLEET.batch * each.activation_bytes)
    Engine([vgg9(FLEET.shape, CLASSES, width=1).train()], Training()).step(x[:1], y[:1], [1e-3])  # what torch loads
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine = Engine(networks, Training())
    for _ in range(5):
        engine.step(x, y, [1e-3] * FLEET.members)
    answer.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / wanted)


def ready() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()


@contextmanager
def process(work: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """One that does the work, and the pipe to it."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    running = context.Process(target=work, args=(*arguments, theirs))
    running.start()
    yield mine
    running.join()


def asked(work: Callable[..., None], *arguments: object) -> float:
    """What a process of its own answers."""
    with process(work, *arguments) as answer:
        return answer.recv()


def global_over_locals() -> Iterator[float]:
    """Step by step in turn, after a first one of each."""
    with process(steps, "global") as whole, process(steps, "local") as parts:
        for number in range(ROUNDS + 1):
            taken = []
            for each in (whole, parts):
                each.send(True)
                taken.append(each.recv())
            if number:
                yield taken[0] / taken[1]
        for each in (whole, parts):
            each.send(False)


def main() -> int:
    ratios = list(global_over_locals())
    pairs = [(asked(whole, True), asked(whole, False)) for _ in range(ROUNDS)]
    return report([
        Line("global-over-4-local-ResNet32", ratios, ">=", 10, middle=median),
        Line("training-without-telling-CPU-s", [bare for _, bare in pairs], middle=median),
        Line("checkpoints-and-progress-share", [told / bare - 1 for told, bare in pairs], "<=", 0.02, middle=median),
        Line("fleet-memory-over-cost", [asked(memory)], "<=", 1.25),
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
