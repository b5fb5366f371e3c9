"""What tracking takes from a step in a pod: `python -m benchmarks.tracking [--seconds 60]`.

The servers are real: MLflow with a login, its store and the spool in SeaweedFS. A step journals the epochs of four
networks, one a second of each, and otherwise waits: what it would compute is no part of the figures. Measured is

- CPU-seconds: of the process beside the step, and of the step's own for that process, the spool and journalling;
- wall seconds: how long the step is held up by starting and by ending that process;

with MLflow up; hung (SIGSTOP: it takes connections, answers nothing); down (killed). A share is of 60 s. Without
`--seconds` the cost of 60 s is that of steps of 1 s, three of each, and what a step of 30 s takes beyond it, twice: the
pauses between tries grow, so that this is more than a whole step takes where the server does not answer.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.lines import Line, report
from schwarz.journal import Journal
from schwarz.presets import preset
from schwarz.stack import Stack
from schwarz.storage import open_store
from schwarz.tracking import Spool, Tracked, about, beside, in_pod, spool_in

STEP_S, SHORT_S, LONG_S = 60, 1, 30
NETWORKS = 4
ROUNDS = 3  # of the short one


@dataclass(frozen=True)
class Cost:
    """What one step was made to pay."""

    cpu_s: float
    wall_s: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, help="how long a step takes; by default two short ones of each")
    given = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o711)  # PostgreSQL does not run as root
        folder = Path(scratch) / "servers"
        stack = Stack(folder)
        stack.up(lambda text: print(text, file=sys.stderr))
        try:
            os.environ |= stack.environment()
            for state, enter in (("up", lambda: None), ("hung", lambda: _signal(stack)), ("down", stack.tracking.kill)):
                lines += _measured(state, Path(scratch), enter, given.seconds)
        finally:
            _wake(stack)
            stack.down(lambda _: None)
    return report(lines)


def _measured(state: str, scratch: Path, enter: Callable[[], None], seconds: int | None) -> list[Line]:
    """The lines of one state of the server."""
    uid = uuid.uuid4().hex
    place = f"{os.environ['SCHWARZ_STORE']}/{state}"
    spool = spool_in(open_store(place), uid)  # opened before: a step has the store's client for its boxes
    first = in_pod(scratch / uid, uid, "tiny", place)
    with beside(first, spool, alone=True):  # while it is still as it was: the parent is there
        told = {"params": {"seed": 0}, "tags": {"data.md5": "0" * 32 + ".dir", "git.commit": "f" * 40}}
        Journal(first.journal_of("begin"), "begin").write("run", run="", **told, about=asdict(about(preset("tiny"))))
        time.sleep(3)
    enter()
    lengths = [seconds] if seconds else [SHORT_S] * ROUNDS + [LONG_S]
    pods = [in_pod(scratch / f"{uid}-{n}", uid, "tiny", place) for n in range(len(lengths))]
    costs = [_cost(pod, spool, s) for pod, s in zip(pods, lengths, strict=True)]
    *short, long = [cost.cpu_s for cost in costs]
    cpu_s = _of_whole_step(median(short), long) if short else long * STEP_S / lengths[0]
    wall = [cost.wall_s for cost in costs]
    return [
        Line(f"{state}-CPU-percent", [100 * cpu_s / STEP_S], "<=", 1),
        Line(f"{state}-held-up-percent", [100 * each / STEP_S for each in wall], "<=", 1),
        Line(f"{state}-held-up-s", wall, "<=", 1, max),
    ]


def _cost(pod: Tracked, spool: Spool, seconds: int) -> Cost:
    """What a step of so many seconds pays."""
    began, cpu_s = time.monotonic(), _cpu_s()
    with beside(pod, spool):
        worked = time.monotonic()
        _work(pod, worked + seconds)
        worked = time.monotonic() - worked
    return Cost(_cpu_s() - cpu_s, time.monotonic() - began - worked)


def _work(pod: Tracked, end: float) -> None:
    journal = Journal(pod.journal_of("train_local-0"), "train_local", "0")
    names = [f"local {k} of {pod.attempt}" for k in range(NETWORKS)]  # new ones: what is known is not sent again
    for name in names:
        journal.write("run", run=name, params={"lr": 0.002, "batch": 32}, tags={})
    epoch = 0
    while time.monotonic() < end:
        epoch += 1
        figures = {"train_loss": 1 / epoch, "validation_loss": 2 / epoch, "validation_accuracy": 1 - 1 / epoch}
        for name in names:
            journal.write("metric", run=name, epoch=epoch, metrics=figures)
        time.sleep(1)
    for name in names:
        journal.write("end", run=name)


def _of_whole_step(short: float, long: float) -> float:
    """What STEP_S cost, on the line through two shorter steps."""
    return short + (STEP_S - SHORT_S) * (long - short) / (LONG_S - SHORT_S)


def _cpu_s() -> float:
    """Of this process, its journalling included, and of the children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _signal(stack: Stack, number: int = signal.SIGSTOP) -> None:
    if process := stack.tracking.process:
        os.killpg(process.pid, number)


def _wake(stack: Stack) -> None:
    _signal(stack, signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main())
