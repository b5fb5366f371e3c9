"""Run the pipeline of a run folder to its end: `python -m pipelines.execute RUN --runner subprocess|docker|python`.

This is the process that `schwarz run` starts, watches and ends. It ends its whole process group when its standard
input closes, so that nothing goes on when the command line was killed.
"""

import argparse
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from schwarz.checks import pods_of
from schwarz.data import describe
from schwarz.errors import SchwarzError, StepFailed
from schwarz.files import copy, read_json, write_json
from schwarz.journal import read
from schwarz.runs import SCRATCH, RunFolder, open_run
from schwarz.steps.frame import whole
from schwarz.steps.place import place_of

RESULTS, REPORT = "results.json", "report.html"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--runner", choices=("subprocess", "docker", "python"), default="subprocess")
    parser.add_argument("--until-export", action="store_true", help="as a plain loop, and MLflow is told nothing")
    given = parser.parse_args()
    run = open_run(given.run)
    where = {"SCHWARZ_RUN": str(run.path), "SCHWARZ_PROJECT": str(run.project)}
    where["SCHWARZ_SCRATCH"] = str(run.path / SCRATCH)  # two runs at once bring the same boxes here
    os.environ |= where | run.config.place.environment
    if given.runner == "docker":
        from pipelines.images import image

        os.environ["SCHWARZ_IMAGE"] = image()  # what the components are made with
    if os.getpgrp() == os.getpid():  # started by `schwarz run` in a group of its own
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with run.lock():
            make(run) if given.until_export else execute(run, given.runner)
    except SchwarzError as fault:
        print(fault, file=sys.stderr)
        return fault.status
    return 0


def execute(run: RunFolder, runner: str) -> None:
    """The whole pipeline; then the results where people look for them, with what the run took."""
    begun, memory = time.monotonic(), Memory()
    pods = pods_of(run.config, describe(run.project, run.config.data.name))
    reported = place_of(run.path, "report")
    shutil.rmtree(reported, ignore_errors=True)  # so that what is there afterwards is this attempt's
    began = time.time()
    _runner(runner)(run, pods)
    if not whole(reported):  # the local runner may take a container that failed at once for one that did its work
        raise StepFailed(f"the pipeline ended without a report: {run.logs / 'pipeline.log'} may say why. Resume it.")
    elsewhere = _of_containers(run, began) if runner == "docker" else (0.0, 0)
    spent = {
        "wall_s": round(time.monotonic() - begun, 1),
        "cpu_s": round(_cpu_s() + elsewhere[0], 1),
        "peak_memory_mb": max(memory.peak_mb(), elsewhere[1]),
        "runner": runner,
    }
    publish(run, spent)


def _runner(name: str) -> Callable[[RunFolder, int], None]:
    if name == "python":
        from pipelines import plain

        return plain.run
    from pipelines import local

    return local.in_containers if name == "docker" else local.in_processes


def _of_containers(run: RunFolder, began: float) -> tuple[float, int]:
    """CPU-seconds of the steps' processes, and the largest memory of one in MB: they were not our children."""
    ended = [event for event in read(run.journal) if event["t"] >= began and "process" in event]
    return sum(each["process"]["cpu_s"] for each in ended), max(
        (each["process"]["peak_mb"] for each in ended), default=0
    )


def make(run: RunFolder) -> None:
    """The pipeline up to the exported model, for `schwarz reproduce`: no new version is registered."""
    from pipelines import plain

    plain.make(run, pods_of(run.config, describe(run.project, run.config.data.name)))


def publish(run: RunFolder, spent: dict[str, object]) -> None:
    """Put model, report and results at the top of the run folder; results.json last: it says that the run is whole."""
    exported, reported = place_of(run.path, "export_onnx"), place_of(run.path, "report")
    shutil.rmtree(run.path / "model", ignore_errors=True)  # a resumed run may have chosen another strategy
    for path in exported.glob("*.onnx"):
        copy(path, run.path / "model" / path.name)
    copy(reported / REPORT, run.path / REPORT)
    shutil.rmtree(run.path / SCRATCH, ignore_errors=True)
    write_json(run.path / RESULTS, {**read_json(reported / RESULTS), "run": spent})


class Memory:
    """The largest memory of this process and all its children together, sampled twice a second."""

    def __init__(self) -> None:
        self.peak, self.process = 0, psutil.Process()
        threading.Thread(target=self._watch, daemon=True).start()

    def peak_mb(self) -> int:
        return round(self.peak / 1e6)

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, sum(map(_resident, [self.process, *self.process.children(recursive=True)])))
            time.sleep(0.5)


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:  # it ended between the listing and the look
        return 0


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _end_with_parent() -> None:
    while os.read(0, 4096):  # not sys.stdin: its lock, held by this thread, would abort the interpreter at its end
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
