"""The last block of a run: figures, where things lie, what to type next; or what failed and how to go on."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schwarz.cli.board import Board
from schwarz.cli.display import BOLD, RED, duration, paint
from schwarz.errors import WRONG_INPUT
from schwarz.shell import command, mlflow_ui
from schwarz.tracking.summary import SAME_IMAGES, always

if TYPE_CHECKING:
    from schwarz.runs import RunFolder

Results = dict[str, Any]


def table(results: Results, colour: bool = False) -> list[str]:
    """A header and a row for every strategy; the best on validation is marked."""
    rows = [f"{'strategy':<16}{'test':>7}   {'95% interval':<14}{'validation':>11}{'CPU-s':>9}"]
    for name, row in results["strategies"].items():
        interval = f"{row['low']:.3f}-{row['high']:.3f}"
        text = f"{name:<16}{row['test']:>7.3f}   {interval:<14}{row['validation']:>11.3f}{row['cpu_s']:>9.1f}"
        best = name == results["best"]
        rows.append(paint(f"{text}  best", BOLD, colour) if best else text)
    return rows


def finished(results: Results, run: "RunFolder", board: Board, colour: bool = False) -> list[str]:
    """The block below a finished run: the table and at most 12 lines."""
    best, model, cost = results["best"], results["model"], results["run"]
    figures = results["strategies"][best]
    lines = [
        "",
        *table(results, colour),
        f"Chance is {results['chance']:.3f}{always(results)}. Best on validation: {best}, test {figures['test']:.3f}.",
        *([SAME_IMAGES] if results["data"]["validation_is_test"] else []),
        f"report     {run.path / 'report.html'}",
        f"model      {run.path / model['file']}{_registered(model, model['file'])}",
        *_int8(results, run),
        f"run        {run.path}",
        f"took       {duration(cost['wall_s'])}, {cost['cpu_s']:.0f} CPU-s, {cost['peak_memory_mb']:.0f} MB at most"
        + _saved(board),
    ]
    return lines + _next(results, run)


def _registered(model: Results, file: str) -> str:
    """As what a file is registered; of the two, in float32 and in 8 bits, one is."""
    entry = model["registered"]
    if entry is None or entry["file"] != Path(file).name:
        return ""
    return f"  ({entry['name']} version {entry['version']}" + (f", {entry['alias']})" if entry["alias"] else ")")


def _int8(results: Results, run: "RunFolder") -> list[str]:
    """What became of the model in 8 bits, where one was asked for."""
    model = results["model"]
    if (found := model["int8"]) is None:
        return []
    told = f"validation accuracy {found['accuracy']:.3f}, in float32 {found['float32']:.3f}"
    if results["strategies"][model["strategy"]]["learned_from_validation"]:
        told += ", both of images that its coarse net learned from"
    if found["file"] is None:
        return [f"int8       not kept: {told}, allowed are {found['margin']:g} less"]
    return [f"int8       {run.path / 'model' / found['file']}{_registered(model, found['file'])}  ({told})"]


def _saved(board: Board) -> str:
    kept, ended, saved = board.reused()
    return f"; reused {kept} of {ended} steps, saved {saved:.0f} s" if kept else ""


def _next(results: Results, run: "RunFolder") -> list[str]:
    """Where the curves are, and three commands to go on with."""
    lineage = results["lineage"]
    store, parent = lineage["tracking_uri"] or "", lineage["mlflow_run_id"]
    lines = [f"MLflow     {store.rstrip('/')}/#/runs/{parent}"] if parent and store.startswith("http") else []
    following = [mlflow_ui(store)] if store.startswith("sqlite") else []
    same = _same(run)
    following += [command("run", *same, "--seed", results["seed"] + 1), command("compile", *same, "-o", "train.yaml")]
    following += [command("runs")]
    return lines + [f"{'' if n else 'next':<11}{text}" for n, text in enumerate(following[:3])]


def _same(run: "RunFolder") -> list[str]:
    """The words that choose this run's config: the preset, when nothing in it was changed, else its file."""
    from schwarz.presets import PRESETS
    from schwarz.reading import override

    name = run.config.preset
    unchanged = name in PRESETS and override(run.config, {"data.md5": None}) == PRESETS[name]()
    return [name] if unchanged else ["--config", str(run.path / "config.toml")]


def failed(board: Board, status: int, run: Path, colour: bool = False) -> list[str]:
    """What stopped and why, and where it is written."""
    log, faults = run / "logs" / "pipeline.log", board.failed()
    if faults:
        first = faults[0]
        also = f" (so did {', '.join(task.title for task in faults[1:])})" if faults[1:] else ""
        what, log = f"{first.title} failed{also}: {first.failure['error']}", first.failure["log"]
    elif stranded := board.running():
        what = f"{', '.join(task.title for task in stranded)} ended without a word ({_ending(status)})"
    elif status == WRONG_INPUT:
        what = _last_line(log)
    else:
        what = f"the pipeline stopped before a step failed ({_ending(status)}): {_last_line(log)}"
    return [paint(f"Error: {what}", RED, colour), f"  log     {log}"]


def to_go_on(board: Board, run: Path, way: Sequence[str] = ()) -> list[str]:
    """The command that goes on with a run that failed, unless it would fail again; `way`: the options of its own."""
    mended = all(task.failure.get("resumable", True) for task in board.failed())  # older journals do not say it
    return [f"  resume  {command('resume', run, *way)}"] if mended else []


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    return f"signal {-status}" + (": killed, perhaps for lack of memory" if status == -9 else "")


def _last_line(log: Path) -> str:
    written = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return written[-1] if written else "its log is empty"
