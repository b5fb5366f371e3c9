"""`study`: presets over seeds, every cell a whole run in a process of its own."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.grammar import AtLeast, Existing
from schwarz.cli.options import ConfiguredCommand, Words, chosen
from schwarz.errors import DONE, FAILED

if TYPE_CHECKING:
    from schwarz.cli.follow import Child, Signals
    from schwarz.config import Config
    from schwarz.study.cells import Cell

POLL_S = 0.2


@click.command(
    cls=ConfiguredCommand,
    examples=(
        "schwarz study tiny --seeds 3 -o runs/study",
        "schwarz study tiny --seeds 2 --strategies average coarse --local.epochs 2",
    ),
)
@click.argument("presets", nargs=-1, metavar="PRESET...")
@click.option("--config", "file", type=Existing(), metavar="FILE", help="TOML file, as `schwarz show` prints it")
@click.option("--seeds", type=AtLeast(1), default=5, show_default=True, help="how many, from --seed on")
@click.option("--jobs", type=AtLeast(1), help="runs at a time; unset: one for each core")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("runs/study"), show_default=True, metavar="DIR",
    help="folder of the study",
)  # fmt: skip
def study(presets: tuple[str, ...], file: Path | None, seeds: int, jobs: int | None, out: Path, changes: Words) -> int:
    """Run presets over several seeds and print the papers' table.

    A study that was cut short is resumed by the same command.
    """
    from schwarz.cli.run import check
    from schwarz.runs import project_root
    from schwarz.storage import fetch
    from schwarz.study.cells import open_cells

    checked = [check(config, project_root()) for config in _chosen(presets, file, changes)]
    for _, info, _ in checked:
        fetch(info)
    configs = [config for config, *_ in checked]
    out = out.absolute()
    cells = open_cells(configs, seeds, out)
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{out / 'mlflow.db'}")  # not among the person's own runs
    failed = _work(cells, jobs or _cores())
    _table(cells)
    return FAILED if failed else DONE


def _chosen(presets: tuple[str, ...], file: Path | None, changes: Words) -> "list[Config]":
    return [chosen(name, file, changes) for name in presets or (None,)]


def _cores() -> int:
    import psutil

    return min(psutil.cpu_count(logical=False) or 1, len(os.sched_getaffinity(0)))


def _work(cells: "list[Cell]", jobs: int) -> "list[Cell]":
    """Bring every cell to its end, so many at a time; those that failed."""
    from schwarz.cli.run import complete

    waiting, failed = [], []
    for cell in cells:
        if complete(cell.run):
            _tell(cell, "reused")
        else:
            waiting.append(cell)
    running: list[tuple[Cell, Child, float]] = []
    with _ending(running) as signals:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                running.append((cell, _start(cell), time.monotonic()))
            time.sleep(POLL_S)
            for each in [each for each in running if each[1].status() is not None]:
                cell, child, began = each
                child.finish(0.0, signals)
                running.remove(each)
                if child.status() == 0:
                    _tell(cell, _duration(began))
                else:
                    failed.append(cell)
                    print(f"{cell.label}: failed after {_duration(began)}, see {cell.run.logs}", flush=True)
    return failed


def _start(cell: "Cell") -> "Child":
    from schwarz.cli.follow import Child, pipeline_command

    path = cell.run.path
    return Child(pipeline_command(path, "python"), path / "logs" / "pipeline.log", path)


@contextmanager
def _ending(running: "list[tuple[Cell, Child, float]]") -> "Iterator[Signals]":
    """Whatever happens, no cell's process outlives the block."""
    from schwarz.cli.follow import ENDING, Signals, Stopped

    with Signals() as signals:
        try:
            yield signals
        except Stopped as stop:
            print("Ending the study. The same command goes on with it.", file=sys.stderr, flush=True)
            raise SystemExit(stop.status) from None
        finally:
            for _, child, _ in running:
                child.stop(ENDING, signals)


def _duration(began: float) -> str:
    from schwarz.cli.display import duration

    return duration(time.monotonic() - began)


def _tell(cell: "Cell", took: str) -> None:
    results = cell.run.results()
    assert results is not None
    best = results["best"]
    print(f"{cell.label}: {took}, {best} {results['strategies'][best]['test']:.3f}", flush=True)


def _table(cells: "list[Cell]") -> None:
    """Per preset and strategy: mean accuracies over the seeds, and CPU-seconds of training."""
    from statistics import mean

    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for cell in cells:
        for name, row in (cell.run.results() or {"strategies": {}})["strategies"].items():
            found.setdefault((cell.run.config.preset, name), []).append(row)
    print(f"{'preset':<20}{'strategy':<16}{'validation':>10} {'(train)':>8}{'test':>8}{'CPU-s':>9}")
    for (name, strategy), rows in found.items():
        v, t, test, cpu = (mean(row[key] for row in rows) for key in ("validation", "train", "test", "cpu_s"))
        print(f"{name:<20}{strategy:<16}{v:>10.4f} ({t:.4f}){test:>8.4f}{cpu:>9.0f}")
