"""A training that is killed at any moment, in the middle of a save too, goes on to the bytes of one that was not: with
shuffled batches, dropout and BatchNorm, and TMPDIR on another file system than the checkpoints."""

import math
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from torch import nn

from schwarz.config import Training
from schwarz.files import sha256, write_atomic
from schwarz.networks import initialise
from schwarz.training import Checkpoints, Member, fit_in_step
from tests.unit.training.examples import images

SAVES, MOMENTS = 10, 20
OTHER = Path("/dev/shm")  # noqa: S108  # a file system of its own
NEVER = math.inf
FLEETS = {
    "one with dropout": (1, 0.5, NEVER),
    "two in step": (2, 0.0, NEVER),
    "in the middle of epochs": (1, 0.5, 0.0),
}
"""Members, dropout, and how old a checkpoint may get within an epoch."""
Fleet = tuple[int, float, float]


def network(dropout: float) -> nn.Module:
    """Two megabytes of weights, so that a save takes its time."""
    layers = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 196, 128),
                         nn.ReLU(), *layers, nn.Linear(128, 5))  # fmt: skip


def train(folder: Path, members: int, dropout: float, minutes: float) -> None:
    """The work of a pod: all members, and their weights in one file at the end."""
    torch.set_num_threads(1)
    os.environ["TMPDIR"] = str(OTHER)
    fleet = [
        Member(initialise(network(dropout), k).double(), images(k, 64), images(9 + k, 16), seed=k)
        for k in range(members)
    ]
    training = Training(epochs=5, batch=8, lr=1e-3, plateau=1)
    fit_in_step(fleet, training, Checkpoints(folder / "checkpoints", {"seed": 0}, minutes))
    values = [value for member in fleet for value in member.model.state_dict().values()]
    write_atomic(folder / "weights", b"".join(value.numpy().tobytes() for value in values))


def started(folder: Path, fleet: Fleet) -> BaseProcess:
    context = get_context("forkserver")
    context.set_forkserver_preload(["schwarz.training", "tests.unit.training.examples", "schwarz.networks"])
    process = context.Process(target=train, args=(folder, *fleet))
    process.start()
    return process


def finished(folder: Path, fleet: Fleet) -> str:
    """sha256 of what a training that is left alone ends with."""
    process = started(folder, fleet)
    process.join(120)
    assert process.exitcode == 0
    return sha256(folder / "weights")


def kill(process: BaseProcess, when: Callable[[], bool]) -> bool:
    """SIGKILL as soon as it is time; whether it still ran."""
    while process.is_alive() and not when():
        time.sleep(0.0002)
    alive = process.is_alive()
    if alive and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return alive


@pytest.fixture(scope="module", params=FLEETS.values(), ids=list(FLEETS))
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, str, float]:
    """A fleet, what it ends with when nothing happens, and the seconds that takes."""
    fleet: Fleet = request.param
    folder = tmp_path_factory.mktemp("whole")
    finished(folder, fleet)  # the first one waits for the server of forks
    began = time.monotonic()
    again = tmp_path_factory.mktemp("again")
    expected = finished(again, fleet)
    assert expected == sha256(folder / "weights")
    return fleet, expected, time.monotonic() - began


def test_killed_at_any_moment_it_ends_with_the_same_bytes(whole: tuple[Fleet, str, float], tmp_path: Path) -> None:
    fleet, expected, duration_s = whole
    moments, kills = random.Random(0), 0  # noqa: S311  # no secret
    for number in range(MOMENTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        until = time.monotonic() + moments.uniform(0, duration_s)
        kills += kill(started(folder, fleet), lambda until=until: time.monotonic() > until)
        assert finished(folder, fleet) == expected
    assert kills > MOMENTS / 2


def test_killed_inside_a_save_it_ends_with_the_same_bytes(whole: tuple[Fleet, str, float], tmp_path: Path) -> None:
    fleet, expected, _ = whole
    inside = 0
    for number in range(SAVES):
        folder = tmp_path / str(number)
        folder.mkdir()

        def saving(folder: Path = folder, epoch: int = number % 5) -> bool:
            """Whether the checkpoint of that epoch is being written, beside its place."""
            return any(folder.glob(f"checkpoints/.{epoch:06d}*"))

        kill(started(folder, fleet), saving)
        inside += saving()  # what a killed save leaves
        assert finished(folder, fleet) == expected
    assert inside >= SAVES - 2
