"""What a study leaves in its folder: study.json with every number, study.md with the table, study.svg."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schwarz.files import read_json, write_atomic, write_json
from schwarz.study import picture
from schwarz.study.cells import Cell
from schwarz.study.departures import departures, told
from schwarz.study.findings import Finding
from schwarz.study.speed import speeds
from schwarz.study.table import markdown, notes, table

JSON, PAGE, PICTURE = "study.json", "study.md", "study.svg"


def begin(out: Path, cells: Sequence[Cell], command: str) -> None:
    """Say what the study is before it is run; numbers that are there stay until there are new ones."""
    if (out / JSON).exists():
        write_json(out / JSON, {**read_json(out / JSON), "command": command})
    else:
        _write_json(out, cells, {}, command)


def command_of(out: Path) -> list[str]:
    """The command that the study in a folder was last run by, as far as that is known; without the folder."""
    words = shlex.split(read_json(out / JSON)["command"]) if (out / JSON).exists() else ["schwarz", "study"]
    return words[: words.index("-o")] if "-o" in words else words


def write(out: Path, cells: Sequence[Cell], found: Mapping[str, Sequence[Finding]], command: str) -> None:
    """Write all three; what was not finished is named in them."""
    if found:
        write_atomic(out / PICTURE, picture.svg(found))
    write_atomic(out / PAGE, "\n".join(page(cells, found, command)) + "\n")
    _write_json(out, cells, found, command)


def _write_json(out: Path, cells: Sequence[Cell], found: Mapping[str, Sequence[Finding]], command: str) -> None:
    write_json(out / JSON, {
        "schema": 1, "command": command, "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "presets": {preset: {each.name: each.to_json() for each in rows} for preset, rows in found.items()},
        "speed": {preset: told.to_json() if told else None for preset, told in speeds(cells, found).items()},
        "not_as_preset": {preset: departures(preset, cells) for preset in found},
        "cells": [_about(cell) for cell in cells],
    })  # fmt: skip


def heading(preset: str, cells: Sequence[Cell]) -> str:
    """`cifar10-vgg9-2x2: seeds 0, 1, 2`; what is missing is said, and whether strategies were chosen by test images."""
    same = any(cell.preset == preset and cell.run.config.data.validation == "test" for cell in cells)
    done = [str(cell.seed) for cell in cells if cell.preset == preset and cell.run.results()]
    lacking = [str(cell.seed) for cell in cells if cell.preset == preset and not cell.run.results()]
    parts = [
        *([_seeds(done)] if done else []),
        *([f"{_seeds(lacking)} did not finish"] if lacking else []),
        *(["the validation images are the test images"] if same else []),
    ]
    return f"{preset}: {'; '.join(parts)}"


def _seeds(numbers: Sequence[str]) -> str:
    return f"seed{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def page(cells: Sequence[Cell], found: Mapping[str, Sequence[Finding]], command: str) -> list[str]:
    """The table as Markdown, with what it was made by."""
    lines = [f"# Study of {', '.join(found) or 'nothing yet'}", "", f"    {command}", ""]
    faster = speeds(cells, found)
    tables = {preset: table(rows) for preset, rows in found.items()}
    for preset in dict.fromkeys(cell.preset for cell in cells):
        lines += [f"## {heading(preset, cells)}", ""]
        if preset in found:
            top, *body = tables[preset].lines()
            below = [told(preset, cells), str(faster[preset] or "")]
            lines += [*markdown(top, body), "", *(line for text in below if text for line in (text, ""))]
    lines += [f"- {note}" for note in notes(list(tables.values()))]
    picture_line = [f"![Validation accuracy against epochs and against CPU-seconds]({PICTURE})", ""] if found else []
    return [*lines, "", *picture_line, *(f"- {origin}" for origin in origins(cells))]


def origins(cells: Sequence[Cell]) -> list[str]:
    """Data, commits, processors and versions of all finished cells, each said once."""
    told: dict[str, None] = {}
    for results in filter(None, (cell.run.results() for cell in cells)):
        data, made = results["data"], results["lineage"]
        counts = ", ".join(f"{data[part]:,} {part}" for part in ("train", "validation", "test"))
        told[f"data set {data['name']}, {counts} images, version {data['md5']}"] = None
        told[f"commit {made['commit']}{' and changes that are not in it' if made['dirty'] else ''}"] = None
        told[f"processor {made.get('processor', 'unknown')}"] = None
        told[", ".join(f"{name} {version}" for name, version in made["versions"].items())] = None
    return list(told)


def _about(cell: Cell) -> dict[str, Any]:
    results = cell.run.results()
    known = {} if results is None else {
        "created": results["created"], "data_md5": results["data"]["md5"], "best": results["best"],
        **{name: results["lineage"].get(name) for name in ("commit", "dirty", "processor", "versions")},
        "run": results["run"],
    }  # fmt: skip
    return {
        "preset": cell.preset,
        "seed": cell.seed,
        "finished": results is not None,
        "config_digest": cell.run.config.science(),
        "config": cell.run.config.model_dump(mode="json", by_alias=True),
        **known,
    }
