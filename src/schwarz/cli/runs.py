"""`runs`, and how a run is found by what a person calls it."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command
from schwarz.errors import WrongInput, nearest_path
from schwarz.locks import held
from schwarz.shell import command

if TYPE_CHECKING:
    from schwarz.runs import RunFolder


@click.command(cls=Command, examples=("schwarz runs", "schwarz runs --json"))
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def runs(as_json: bool) -> None:
    """List the runs under ./runs with their state and best accuracy."""
    rows = [row(path) for path in folders()]
    if as_json:
        print(json.dumps(rows, indent=1))
    elif rows:
        print(*columns([("run", "state", "best", "test", "chance"), *map(_cells, rows)], left=3), sep="\n")
    else:
        print(f"No runs under {Path('runs').absolute()}. To make one: {command('run', 'quickstart')}")


def folders() -> list[Path]:
    """The run folders under ./runs, by preset and number."""
    found = Path("runs").glob("*/*/config.toml")
    return sorted((file.parent for file in found), key=lambda path: (path.parent.name, path.name.zfill(9)))


def row(path: Path) -> dict[str, Any]:
    """What the list says of one run; it is damaged when its config, its identity or its results cannot be read."""
    try:
        results = read_results(opened(path)) or {}
        stands = state(path, bool(results.get("run")))
    except WrongInput:
        results, stands = {}, "damaged"
    best = results.get("best")
    return {
        "run": str(path),
        "preset": path.parent.name,
        "state": stands,
        "best": best,
        "test": results["strategies"][best]["test"] if best else None,
        "chance": results.get("chance"),
        "created": results.get("created"),
        "wall_s": results.get("run", {}).get("wall_s"),
    }


def state(path: Path, complete: bool) -> str:
    """`finished`, `reproduced`, `running`, `failed` or `stopped`."""
    if complete:
        return "finished"
    if (path / "reproduction.json").exists():  # it ends with the comparison, before report and registration
        return "reproduced"
    if held(path / "logs" / "lock"):
        return "running"
    from schwarz.journal import read

    failed: dict[tuple[str, str], bool] = {}
    for event in read(path / "logs" / "journal"):
        if event["event"] in ("start", "failed"):
            failed[event["step"], event["part"]] = event["event"] == "failed" and not event["interrupted"]
    return "failed" if any(failed.values()) else "stopped"


def find(name: str) -> "RunFolder":
    """The run a person means, whole: a folder, `quickstart/3` under ./runs, or the id of its MLflow run."""
    run = _named(name)
    read_results(run)  # refused here when they are damaged
    return run


def read_results(run: "RunFolder") -> dict[str, Any] | None:
    """The results of a finished run, else None."""
    try:
        return run.results()
    except ValueError as fault:  # no JSON, or no text
        raise WrongInput(
            f"{run.path / 'results.json'}: damaged ({fault}). Remove that file, then resume the run: it is made anew."
        ) from None


def opened(path: Path) -> "RunFolder":
    """The run in a folder, its run.json readable too."""
    from schwarz.runs import open_run

    try:
        return open_run(path)
    except WrongInput:
        raise
    except (ValueError, LookupError, TypeError):
        again = command("run", "--config", path / "config.toml")
        raise WrongInput(f"{path / 'run.json'}: damaged. To run the same in a new folder: `{again}`.") from None


def _named(name: str) -> "RunFolder":
    path = Path(name).expanduser()
    if path.is_file():
        raise WrongInput(f"{name}: is a file. Name the folder of a run; `schwarz runs` lists the runs here.")
    if path.exists():
        return opened(path)
    if (Path("runs") / name).is_dir():
        return opened(Path("runs") / name)
    if re.fullmatch(r"[0-9a-f]{32}", name):
        from schwarz.tracking import is_parent

        for folder in folders():
            if is_parent(folder, name):
                return opened(folder)
        raise WrongInput(f"no run under {Path('runs').absolute()} has the MLflow run id {name}.")
    hint = nearest_path(path) or nearest_path(Path("runs") / name)
    raise WrongInput(f"{name}: no such run folder.{hint} `schwarz runs` lists the runs here.")


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    figures = ("",) * 3 if entry["best"] is None else (entry["best"], f"{entry['test']:.3f}", f"{entry['chance']:.3f}")
    return entry["run"], entry["state"], *figures
