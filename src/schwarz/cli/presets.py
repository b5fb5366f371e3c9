"""`presets` and `show`: a run before it is run."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command
from schwarz.cli.options import ConfiguredCommand, Words, chosen, configured

if TYPE_CHECKING:
    from schwarz.presets import Preset


@click.command(cls=Command, examples=("schwarz presets", "schwarz presets --json", "schwarz presets --markdown"))
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
@click.option("--markdown", is_flag=True, help="print tables, as in docs/presets.md")
def presets(as_json: bool, markdown: bool) -> None:
    """List the presets: complete runs by name.

    Beside each the data set that it needs: a star marks those that are not here.
    """
    from schwarz.data import names
    from schwarz.presets import PRESETS
    from schwarz.presets.page import tables
    from schwarz.runs import project_root

    here = set(names(project_root()))
    if as_json:
        print(json.dumps([_about(each, here) for each in PRESETS.values()], indent=1))
    elif markdown:
        print(*tables(), sep="\n")
    else:
        print(*_listed(list(PRESETS.values()), here), sep="\n")


def _about(preset: "Preset", here: set[str]) -> dict[str, Any]:
    about = {"name": preset.name, "summary": preset.summary, "group": preset.group, "data": preset.data}
    return {**about, "data_is_here": preset.data in here}


def _listed(presets: "Sequence[Preset]", here: set[str]) -> Iterator[str]:
    """A line for each preset, below the heading of its group."""
    shown = [(each.name, each.data + ("" if each.data in here else "*"), each.summary) for each in presets]
    lines = iter(columns(shown, left=3))
    for group, members in groupby(presets, key=lambda each: each.group):
        yield f"{group}:"
        yield from (f"  {next(lines)}" for _ in members)
    if not here.issuperset(each.data for each in presets):
        yield "* These images are not here: `schwarz run PRESET` says how to get them."


@click.command(
    cls=ConfiguredCommand,
    examples=("schwarz show quickstart > mine.toml", "schwarz show tiny --partition.grid 2 1 --local.epochs 3"),
)
@configured
@click.option("--json", "as_json", is_flag=True, help="print the values alone, as JSON")
def show(preset: str | None, file: Path | None, changes: Words, as_json: bool) -> None:
    """Print a whole config, every field with its meaning.

    The output is a file that `--config FILE` reads back.
    """
    from schwarz.document import document

    config = chosen(preset, file, changes)
    if as_json:
        print(json.dumps(config.model_dump(mode="json", by_alias=True), indent=1))
    else:
        print(document(config), end="")
