"""`run` and `resume`: check, make the folder, follow the pipeline, tell how it ended."""

import errno
import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

from schwarz.cli.grammar import Command, Word
from schwarz.cli.options import ConfiguredCommand, Words, chosen, configured
from schwarz.errors import DONE, FAILED, WRONG_INPUT, SchwarzError, WrongInput

if TYPE_CHECKING:
    from schwarz.cli.board import Board
    from schwarz.config import Config
    from schwarz.data import DataInfo
    from schwarz.partition import Partition
    from schwarz.runs import RunFolder

RUNNERS = ("subprocess", "docker", "python")
runner_option = click.option(
    "--runner",
    type=Word(RUNNERS),
    default=RUNNERS[0],
    show_default=True,
    help="subprocess: the Kubeflow graph on this machine; docker: the same in containers; python: the same steps as a "
    "plain loop",
)
stack_option = click.option(
    "--stack", "on_stack", is_flag=True, help="keep boxes and models on the servers of `schwarz stack up`"
)
json_option = click.option("--json", "as_json", is_flag=True, help="print results.json alone; progress goes to stderr")


@click.command(
    cls=ConfiguredCommand,
    examples=("schwarz run tiny", "schwarz run tiny --runner python --strategies average coarse --local.epochs 2"),
)
@configured
@runner_option
@stack_option
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="run folder; unset: runs/PRESET/N")
@json_option
def run(
    preset: str | None, file: Path | None, changes: Words, runner: str, on_stack: bool, out: Path | None, as_json: bool
) -> int:
    """Run the whole pipeline and print what came out.

    An --out that holds a run of the same config is resumed.
    """
    from schwarz import runs

    config, info, _ = check(chosen(preset, file, changes), runs.project_root())
    runner_is_here(config, runner)
    from schwarz.storage import fetch  # numpy: only once there is work to do

    fetch(info)
    from schwarz.checks import check_labels

    check_labels(config, info)
    if on_stack:
        use_stack(info, runs.project_root())
    return execute(_create(config, out), Way(runner, on_stack), as_json)


@click.command(cls=Command, examples=("schwarz resume runs/tiny/1", "schwarz resume runs/tiny/1 --runner python"))
@click.argument("folder", metavar="RUN")
@runner_option
@stack_option
@click.option("--fresh", is_flag=True, help="start over: what is finished, and what was begun, is dropped first")
@json_option
def resume(folder: str, runner: str, on_stack: bool, fresh: bool, as_json: bool) -> int:
    """Finish a run that was stopped; what is finished is reused, and a training goes on from its last checkpoint."""
    from schwarz.cli.runs import find

    run = find(folder)
    if fresh:
        check(run.config, run.project)
        run.forget()
    if not complete(run):
        _, info, _ = check(run.config, run.project)
        runner_is_here(run.config, runner)
        if on_stack:
            use_stack(info, run.project)
    return execute(run, Way(runner, on_stack), as_json)


def check(config: "Config", project: Path) -> "tuple[Config, DataInfo, Partition]":
    """The config with the version of its data set, that set, and how it is cut; refused here, before anything is
    written, if it cannot work."""
    from schwarz.checks import check as fits
    from schwarz.data import describe
    from schwarz.reading import override

    if find_spec("pipelines") is None:  # the wheel in images holds the library alone
        raise SchwarzError("the pipeline is not installed here: work in a checkout, after `make setup`.")
    info = describe(project, config.data.name)
    if config.data.md5 not in (None, info.md5):
        raise WrongInput(
            f"data.md5 = {config.data.md5!r}: {info.dvc_file} is at version {info.md5}. "
            f"Check out the commit that has the other one, or leave the field unset."
        )
    partition = fits(config, info)
    return override(config, {"data.md5": info.md5}), info, partition


def runner_is_here(config: "Config", runner: str) -> None:
    """Refused here, before anything is written, where the run's processes or containers could not begin."""
    if runner == "docker":
        from pipelines import containers

        containers.check(config.place.device)
    else:
        device_is_here(config)


def use_stack(info: "DataInfo", checkout: Path) -> None:
    """Be told of the servers of the checkout's stack, as the run's processes then are, and keep the data set there."""
    from schwarz.stack import environment
    from schwarz.storage import push

    os.environ |= environment(checkout)
    for other in ("AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):  # they would lead to another store, or not be its own
        os.environ.pop(other, None)
    push(info, os.environ["SCHWARZ_REMOTE"])


def device_is_here(config: "Config") -> None:
    """Refused here, before anything is written, if it is not; what is compiled may run where it is."""
    if config.place.device == "cuda":
        from schwarz.training.device import chosen as device_of  # torch, which takes a second

        device_of("cuda")


class Way(NamedTuple):
    """How a run is done here: what a command that goes on with it must repeat."""

    runner: str
    on_stack: bool

    @property
    def words(self) -> list[str]:
        """Its options, where they are not as usual."""
        return [*(["--runner", self.runner] if self.runner != RUNNERS[0] else []), *(["--stack"] * self.on_stack)]


def execute(run: "RunFolder", way: Way, as_json: bool) -> int:
    """Bring a run to its end, unless it is there, and print the last block; the exit status."""
    from schwarz.cli.board import Board
    from schwarz.cli.display import coloured
    from schwarz.cli.summary import finished

    told = sys.stderr if as_json else sys.stdout
    board = Board()
    if complete(run):
        print(f"{run.path} is finished: nothing was left to do.", file=told)
    elif status := _work(run, way, board, told):
        return status
    results = run.results() or {}
    print(json.dumps(results, indent=1) if as_json else "\n".join(finished(results, run, board, coloured(told))))
    return DONE


def _work(run: "RunFolder", way: Way, board: "Board", told: TextIO) -> int:
    """Follow the pipeline to its end and tell how it failed, if it did; the exit status."""
    from schwarz.checks import idle_workers
    from schwarz.cli.display import coloured, duration, screen
    from schwarz.cli.follow import Stopped, follow, pipeline_command, sender_command
    from schwarz.cli.summary import failed, to_go_on
    from schwarz.shell import command

    with run.lock():  # refused here when another process has it; from now on the pipeline's process holds it
        pass
    print(f"{run.config.preset}: {run.path}", file=told, flush=True)
    if idle := idle_workers(run.config, run.config.partition.count):
        print(idle, file=told, flush=True)
    started = time.monotonic()
    work, send = pipeline_command(run.path, way.runner), sender_command(run.path)
    try:
        status = follow(run.path, work, send, screen(board, told))
    except Stopped as stop:
        lines = [
            f"Interrupted after {duration(time.monotonic() - started)}. To go on:",
            f"  {command('resume', run.path, *way.words)}",
        ]
        print(*lines, sep="\n", file=sys.stderr)
        return stop.status
    if not status:
        return DONE
    told_last = [*failed(board, status, run.path, coloured(sys.stderr)), *to_go_on(board, run.path, way.words)]
    print(*told_last, sep="\n", file=sys.stderr)
    faults = board.failed()
    return WRONG_INPUT if WRONG_INPUT in (status, faults[0].failure["status"] if faults else None) else FAILED


def _create(config: "Config", out: Path | None) -> "RunFolder":
    """The run's folder; one that cannot be written is refused with what to give instead."""
    from schwarz import runs

    try:
        return runs.create(config, out)
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = f"--out {out}" if out else str(Path("runs").absolute())
        remedy = "Give `--out` a folder that you may write to."
        raise WrongInput(f"{place}: cannot be written ({fault.strerror}). {remedy}") from None


def complete(run: "RunFolder") -> bool:
    """Whether a run has all that a run makes."""
    from schwarz.cli.runs import read_results

    results = read_results(run)
    if not results or "run" not in results:
        return False
    return all((run.path / name).exists() for name in ("report.html", results["model"]["file"]))
