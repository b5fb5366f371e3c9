"""What a study found, printed: the table of every preset as wide as the terminal allows, and what its columns mean."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from schwarz.cli.columns import columns

if TYPE_CHECKING:
    from schwarz.study.cells import Cell
    from schwarz.study.table import Table

PIPE = 120
"""How wide words are in a pipe; a table is there as wide as it is."""


def tell(out: Path, cells: "Sequence[Cell]", repeated: str) -> None:
    """Write what came out, and print its table."""
    from schwarz.study.departures import told
    from schwarz.study.findings import findings
    from schwarz.study.pages import JSON, PAGE, PICTURE, heading, write
    from schwarz.study.speed import speeds
    from schwarz.study.table import notes, table

    found, width = findings(cells), _width()
    write(out, cells, found, repeated)
    tables, faster = {preset: table(rows) for preset, rows in found.items()}, speeds(cells, found)
    for preset in dict.fromkeys(cell.preset for cell in cells):
        print("", heading(preset, cells), sep="\n")
        if preset in found:
            below = [text for text in (told(preset, cells), str(faster[preset] or "")) if text]
            print(*fitting(tables[preset], width), *_wrapped(below, width), sep="\n")
    if found:
        print("", *_wrapped(notes(list(tables.values())), width), sep="\n")
    print("", *(f"{name:<11}{out / name}" for name in (PAGE, JSON, *([PICTURE] if found else []))), sep="\n")


def fitting(table: "Table", width: int | None) -> list[str]:
    """The lines of a table; where that is too wide, those of several below each other, each with some groups of its
    columns after the names."""
    whole = columns(table.lines(), left=1)
    if width is None or _fits(whole, width):
        return whole
    accuracies, costs, printed, five = table.groups
    parts = [accuracies]
    for group in (five, costs, printed):
        if not group or _fits(columns(table.lines([*parts[-1], *group]), left=1), width):
            parts[-1] = (*parts[-1], *group)
        else:
            parts.append(group)
    return [line for part in parts for line in ("", *columns(table.lines(part), left=1))][1:]


def _fits(lines: Sequence[str], width: int) -> bool:
    return max(map(len, lines)) <= width


def _width() -> int | None:
    """Of the terminal; None of a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _wrapped(texts: Sequence[str], width: int | None) -> list[str]:
    return [line for text in texts for line in wrap(text, width or PIPE, subsequent_indent="  ")]
