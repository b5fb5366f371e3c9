"""Run the pipeline of a run folder to its end: `python -m pipelines.execute RUN --runner subprocess|python`.

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
from pathlib import Path

import psutil

from schwarz.checks import pods_of
from schwarz.data import describe
from schwarz.errors import SchwarzError
from schwarz.files import copy, read_json, write_json
from schwarz.runs import RunFolder, open_run
from schwarz.steps.frame import place_of

RESULTS, REPORT = "results.json", "report.html"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--runner", choices=("subprocess", "python"), default="subprocess")
    parser.add_argument("--until-export", action="store_true", help="as a plain loop, and MLflow is told nothing")
    given = parser.parse_args()
    run = open_run(given.run)
    where = {"SCHWARZ_RUN": str(run.path), "SCHWARZ_PROJECT": str(run.project)}
    os.environ |= where | run.config.place.environment
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
    if runner == "python":
        from pipelines import plain

        plain.run(run, pods)
    else:
        from pipelines import local

        local.run(run, pods)
    spent = {
        "wall_s": round(time.monotonic() - begun, 1),
        "cpu_s": round(_cpu_s(), 1),
        "peak_memory_mb": memory.peak_mb(),
        "runner": runner,
    }
    publish(run, spent)


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
