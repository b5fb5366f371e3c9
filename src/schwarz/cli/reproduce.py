"""`reproduce`: make a run again from what was recorded of it, and compare the bytes of every network."""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command
from schwarz.cli.run import check, device_is_here
from schwarz.errors import DONE, FAILED, WRONG_INPUT, SchwarzError, WrongInput
from schwarz.shell import command, dvc

if TYPE_CHECKING:
    from schwarz.data import DataInfo
    from schwarz.reproduction import Other, Record
    from schwarz.runs import RunFolder

MARK = "reproduction.json"
"""The file by which a run folder is known as one that was made to be compared."""

DIGITS = 12
Row = dict[str, Any]


@click.command(cls=Command, examples=("schwarz reproduce tiny/1", "schwarz reproduce models:/tiny@champion --json"))
@click.argument("folder", metavar="RUN")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="its run folder; unset: runs/PRESET/N")
@click.option("--json", "as_json", is_flag=True, help="print what was compared as JSON; progress goes to stderr")
def reproduce(folder: str, out: Path | None, as_json: bool) -> int:
    """Make a run again and compare the sha256 of every network.

    RUN is a run folder, the id of an MLflow run, models:/NAME/VERSION or models:/NAME@champion; of the last three, what
    MLflow recorded is enough. Nothing is registered. Exit status 1 where anything differs.
    """
    record = _record(folder)
    info = _images(record)
    from schwarz.reproduction import choose_alike, others
    from schwarz.storage import fetch  # numpy: only once there is work to do

    device_is_here(record.config)
    fetch(info)
    told = sys.stderr if as_json else sys.stdout
    run = _claim(record, out)
    differing = others(record)
    lines = [f"{run.config.preset}: {run.path}, to be compared with {record.source}"]
    lines += [f"Warning: {text}." for text in record.made.damage] + [other.told for other in differing]
    print(*lines, sep="\n", file=told, flush=True)
    choose_alike(record, run)
    if status := _make(run, [folder, "--out", run.path], told):
        return status
    return _judge(_compared(record, run), differing, record, run, as_json)


def _record(name: str) -> "Record":
    """What is recorded under the name: in a folder here, else in MLflow."""
    from schwarz import reproduction
    from schwarz.cli.runs import find, folders
    from schwarz.tracking import default_uri, is_parent

    is_id = re.fullmatch(r"[0-9a-f]{32}", name) and not Path(name).exists()
    if name.startswith("models:") or (is_id and not any(is_parent(folder, name) for folder in folders())):
        return reproduction.of_mlflow(name, default_uri(Path.cwd()))
    return reproduction.of_folder(find(name))


def _images(record: "Record") -> "DataInfo":
    """The data set at the version that the run used; refused here, with the way to it, where there is another."""
    from schwarz.data import describe
    from schwarz.data.info import dvc_file_of
    from schwarz.runs import project_root

    root, data = project_root(), record.config.data
    file = os.path.relpath(dvc_file_of(root, data.name))
    get = f"`git checkout {record.lineage['commit']} -- {file}`, then `{dvc('pull', file)}`"
    way = f"The run used version {data.md5}: {get}."
    try:
        info = describe(root, data.name)
    except WrongInput as fault:
        raise WrongInput(f"{fault} {way}") from None
    if info.md5 != data.md5:
        raise WrongInput(f"{file}: is at version {info.md5}. {way}")
    return check(record.config, root)[1]


def _claim(record: "Record", out: Path | None) -> "RunFolder":
    """A new run folder, or that of a reproduction that was stopped; what is finished in any other would only be
    compared with itself."""
    from schwarz.files import write_atomic, write_json
    from schwarz.runs import create

    if out is not None and (out / "config.toml").exists() and not (out / MARK).exists():
        raise WrongInput(f"--out {out}: holds a run. Choose an empty or new folder.")
    run = create(record.again, out)
    if not (run.path / MARK).exists():
        write_json(run.path / MARK, {"of": record.source, "same": None})
        index = run.path / "INDEX.md"
        row = f"| `{MARK}` | which run this one is compared with, and what came out |\n"
        write_atomic(index, index.read_text(encoding="utf-8") + row)
    return run


def _make(run: "RunFolder", again: list[object], told: TextIO) -> int:
    """Follow the pipeline up to the exported model, and tell how it failed, if it did; the exit status."""
    from schwarz.cli.board import Board
    from schwarz.cli.display import coloured, duration, screen
    from schwarz.cli.follow import Stopped, follow, pipeline_command
    from schwarz.cli.summary import failed

    with run.lock():  # refused here when another process has it
        pass
    os.environ.pop("SCHWARZ_CHECKPOINTS", None)  # what another run began there is none of this one's work
    board, started = Board(), time.monotonic()
    work = [*pipeline_command(run.path, "python"), "--until-export"]
    nothing = ["cat"]  # in the place of the sender to MLflow: it ends when its input does
    try:
        status = follow(run.path, work, nothing, screen(board, told))
    except Stopped as stop:
        spent = duration(time.monotonic() - started)
        print(f"Interrupted after {spent}. To go on:\n  {command('reproduce', *again)}", file=sys.stderr)
        return stop.status
    if not status:
        return DONE
    what = failed(board, status, run.path, coloured(sys.stderr))
    print(*what, f"  again   {command('reproduce', *again)}", sep="\n", file=sys.stderr)
    faults = board.failed()
    return WRONG_INPUT if WRONG_INPUT in (status, faults[0].failure["status"] if faults else None) else FAILED


def _compared(record: "Record", run: "RunFolder") -> list[Row]:
    """Every network, then the model, as recorded and as found."""
    from schwarz.reproduction import made, model_as_of

    there, here = record.made, made(run)
    names = [*there.networks, *(name for name in here.networks if name not in there.networks)]
    pairs = {name: (there.networks.get(name), here.networks.get(name)) for name in names}
    model = there.model["file"]
    pairs[model] = there.model["sha256"], model_as_of(run, model, record.lineage["commit"])
    return [
        {"name": name, "recorded": recorded, "found": found, "same": recorded == found}
        for name, (recorded, found) in pairs.items()
    ]


def _judge(rows: list[Row], differing: "list[Other]", record: "Record", run: "RunFolder", as_json: bool) -> int:
    """Tell what came out, and keep it in the folder; SchwarzError where anything differs."""
    from schwarz.files import write_json

    *networks, model = rows
    different = [row["name"] for row in rows if not row["same"]]
    causes = [other.cause for other in differing]
    told = {
        "of": record.source, "run": str(run.path), "same": not different, "networks": networks, "model": model,
        "other": causes, "damage": list(record.made.damage),
    }  # fmt: skip
    write_json(run.path / MARK, told)
    count = f"{len(networks)} networks" if networks[1:] else "the network"
    verdict = f"The same: {count} and the model, byte for byte."
    if as_json:
        print(json.dumps(told, indent=1))
    else:
        head = ("", "recorded", "found", "")
        print("", *columns([head, *map(_cells, rows)], left=4), *([] if different else [verdict]), sep="\n")
    if different:
        raise SchwarzError(
            f"{len(different)} of {len(rows)} are different: {', '.join(different)}. {_reason(causes, record)}"
        )
    return DONE


def _reason(causes: list[str], record: "Record") -> str:
    damage = f" The record itself is in doubt: {'; '.join(record.made.damage)}." if record.made.damage else ""
    if causes:
        return f"Most likely for: {', '.join(causes)}.{damage}"
    if damage:
        return damage.strip()
    return "Code, versions and processor are the same: make it once more, to see whether this machine always does so."


def _cells(row: Row) -> tuple[str, ...]:
    texts = (row[side][:DIGITS] if row[side] else "none" for side in ("recorded", "found"))
    return row["name"], *texts, "same" if row["same"] else "DIFFERENT"
