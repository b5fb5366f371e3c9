"""`study`: presets over seeds, every cell a whole run in a process of its own; the papers' table of them all."""

import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.grammar import AtLeast, Existing, writing
from schwarz.cli.options import ConfiguredCommand, Words, chosen
from schwarz.cli.study_line import Line, doing
from schwarz.errors import DONE, FAILED, WrongInput

if TYPE_CHECKING:
    from schwarz.cli.board import Board
    from schwarz.cli.follow import Child, Signals
    from schwarz.config import Config
    from schwarz.journal import Tail
    from schwarz.study.cells import Cell

POLL_S = 0.2


@click.command(
    cls=ConfiguredCommand,
    examples=(
        "schwarz study tiny --seeds 2 --strategies average coarse global",
        "schwarz study -o runs/study",
    ),
)
@click.argument("presets", nargs=-1, metavar="PRESET...")
@click.option("--config", "file", type=Existing(), metavar="FILE", help="TOML file, as `schwarz show` prints it")
@click.option("--seeds", type=AtLeast(1), default=5, metavar="N", help="how many seeds, from --seed on [5]")
@click.option("--jobs", type=AtLeast(1), metavar="N", help="runs at a time; unset: as many as fill the cores")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default="runs/study", show_default=True, metavar="DIR",
    help="folder of the study",
)  # fmt: skip
def study(presets: tuple[str, ...], file: Path | None, seeds: int, jobs: int | None, out: Path, changes: Words) -> int:
    """Run presets over several seeds and print the papers' table.

    Each preset and seed is a run in DIR/PRESET/SEED. The same command goes on with a study that was cut short; one with
    more seeds or presets adds them. Without a PRESET the study in DIR is gone on with as it is.

    DIR/study.json, study.md and study.svg hold what came out.
    """
    from schwarz.cli.follow import Stopped
    from schwarz.cli.study_told import tell
    from schwarz.shell import command
    from schwarz.study.cells import at_once, check, existing, plan
    from schwarz.study.pages import begin, command_of

    typed, out = out, out.absolute()
    going_on = not (presets or file or changes) and existing(out)
    if not (presets or file or going_on):
        raise _missing(typed, changes)
    configs = [] if going_on else _checked(presets, file, changes)
    words = [] if going_on else _words(presets, file, seeds, changes)
    check(configs, seeds, out)  # before the lock, which is a file in a folder that may be someone else's
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{out / 'mlflow.db'}")  # not among the person's own runs
    with _alone(out):
        with writing(out):
            cells = plan(configs, seeds, out)
            made_by = command_of(out) if going_on else ["schwarz", "study", *words]
            repeated = shlex.join([*made_by, "-o", str(typed)])
            begin(out, cells, repeated)
        try:
            failed = _work(cells, jobs or at_once(cells, _cores()))
        except Stopped as stop:
            again = command("study", *words, *(["--jobs", jobs] if jobs else []), "-o", typed)
            print("Interrupted. To go on:", f"  {again}", sep="\n", file=sys.stderr)
            return stop.status
        tell(out, cells, repeated)
    return FAILED if failed else DONE


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the study; a second process that wants it is refused, and has written nothing."""
    from schwarz.locks import Busy, locked

    with ExitStack() as held:
        try:
            with writing(out):
                held.enter_context(locked(out / "lock", wait=False))
        except Busy as busy:
            raise WrongInput(f"{out}: {busy.who} runs this study {busy.since}: wait until it has ended.") from None
        yield


def _checked(presets: tuple[str, ...], file: Path | None, changes: Words) -> "list[Config]":
    """The configurations, refused here, before anything is written, if one of them cannot work."""
    from schwarz.cli.run import check, device_is_here
    from schwarz.runs import project_root

    wanted = [chosen(name, file, changes) for name in presets or (None,)]
    checked = [check(config, project_root()) for config in wanted]
    from schwarz.checks import check_labels
    from schwarz.storage import fetch  # numpy: only once there is work to do

    for config, info, _ in checked:
        device_is_here(config)
        fetch(info)
        check_labels(config, info)
    return [config for config, *_ in checked]


def _missing(out: Path, changes: Words) -> WrongInput:
    """How a study is refused that nothing says what it is of."""
    here = "flags need the PRESET that they change" if changes else "holds no study"
    lacking = f"{out}: {here}" if out.exists() else f"{out} does not exist"
    return WrongInput(
        "PRESET is missing: it comes first, before the flags; `schwarz presets` lists them. "
        f"Without one `-o DIR` goes on with the study in DIR, and {lacking}."
    )


def _words(presets: tuple[str, ...], file: Path | None, seeds: int, changes: Words) -> list[str]:
    """What was typed of the science, to be typed again in another place."""
    flags = [word for name, words in changes.items() for word in (f"--{name}", *words)]
    configs = ["--config", str(file)] if file else []
    return [*presets, *configs, "--seeds", str(seeds), *flags]


def _cores() -> int:
    """How many cores this process may use; two threads of one core are one."""
    import psutil

    return min(psutil.cpu_count(logical=False) or 1, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Running:
    """A cell whose process was started."""

    cell: "Cell"
    child: "Child"
    began: float
    tail: "Tail"
    board: "Board"

    def doing(self) -> str:
        """What it is at, in a few words."""
        for event in self.tail.poll():
            self.board.take(event)
        return doing(self.cell, self.board, time.time())

    def told(self) -> str:
        """How it ended, in a line."""
        from schwarz.cli.display import duration

        took = duration(time.monotonic() - self.began)
        if self.child.status() == 0:
            return f"{self.cell}: {took}, {_best(self.cell)}"
        return f"{self.cell}: failed after {took}: {_cause(self.cell, self.child.status() or 0)}"


def _work(cells: "Sequence[Cell]", jobs: int) -> "list[Cell]":
    """Bring every cell to its end, so many at a time; those that failed."""
    from schwarz.cli.run import complete

    waiting = [cell for cell in cells if not complete(cell.run)]
    for cell in (cell for cell in cells if cell not in waiting):
        print(f"{cell}: was finished, {_best(cell)}")
    if waiting:
        print(f"{_runs(len(waiting))}{f', {min(jobs, len(waiting))} at a time' if waiting[1:] else ''}", flush=True)
    failed: list[Cell] = []
    running: list[Running] = []
    with _ending(running) as signals, Line(sys.stdout) as line:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(waiting.pop(0)))
            time.sleep(POLL_S)
            for each in [each for each in running if each.child.status() is not None]:
                each.child.finish(0.0, signals)
                running.remove(each)
                line.say(each.told())
                failed += [each.cell] if each.child.status() else []
            if line.live and running:
                ended = f"{len(cells) - len(waiting) - len(running)} of {_runs(len(cells))} ended"
                line.show("; ".join([ended, *(each.doing() for each in running)]))
    return failed


def _runs(number: int) -> str:
    return f"{number} run{'s' if number > 1 else ''}"


def _start(cell: "Cell") -> Running:
    from schwarz.cli.board import Board
    from schwarz.cli.follow import Child, pipeline_command
    from schwarz.journal import Tail

    path, tail = cell.run.path, Tail(cell.run.journal)
    tail.poll()  # what earlier attempts wrote
    child = Child(pipeline_command(path, "python"), path / "logs" / "pipeline.log", path)
    return Running(cell, child, time.monotonic(), tail, Board())


@contextmanager
def _ending(running: list[Running]) -> "Iterator[Signals]":
    """Whatever happens, no cell's process outlives the block."""
    from schwarz.cli.follow import ENDING, Signals, Stopped

    with Signals() as signals:
        try:
            yield signals
        except Stopped:
            print("Ending the study. Ctrl-C again ends it at once.", file=sys.stderr, flush=True)
            raise
        finally:
            for each in running:
                each.child.stop(ENDING, signals)


def _best(cell: "Cell") -> str:
    """`composed_tuned 0.812`: the strategy that is best on validation, on test images."""
    results = cell.run.results() or {}
    return f"{results['best']} {results['strategies'][results['best']]['test']:.3f}"


def _cause(cell: "Cell", status: int) -> str:
    from schwarz.cli.board import Board
    from schwarz.cli.summary import failed
    from schwarz.journal import read

    board = Board()
    for event in read(cell.run.journal):
        board.take(event)
    error, log = failed(board, status, cell.run.path)
    return f"{error.removeprefix('Error: ')} ({' '.join(log.split())})"
