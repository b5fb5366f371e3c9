"""`networks`: every family there is, and what it costs."""

import json
from typing import Any

import click

from schwarz.cli.columns import by, columns
from schwarz.cli.grammar import Command

LEGEND = """
Parameters that are trained, and operations of one forward pass by equation 2.10 of document 3, of the family by itself.
Tables 3.1 and 3.4 also count BatchNorm's running statistics, as Keras does: `keras_parameters` of --json.
* takes other inputs than images: for Python, not for `--network.family`.
"""


@click.command(cls=Command, examples=("schwarz networks", "schwarz networks --json"))
@click.option("--json", "as_json", is_flag=True, help="print a JSON list, with what can be chosen of each family")
def networks(as_json: bool) -> None:
    """List the families of networks: where each comes from, and what it costs.

    `--network.family NAME` uses one.
    """
    import torch

    from schwarz.families import FAMILIES

    torch.set_num_threads(1)  # on a busy machine a second thread makes it five times the CPU time
    rows = [about(name) for name in FAMILIES]
    print(json.dumps(rows, indent=1) if as_json else "\n".join([*table(rows), LEGEND.rstrip()]))


def about(name: str) -> dict[str, Any]:
    """What there is to know of a family."""
    from schwarz.cost import cost
    from schwarz.families import FAMILIES
    from schwarz.networks import standard

    family = FAMILIES[name]
    spent = cost(standard(name), family.input_shape)
    return {
        "family": name,
        "source": family.source,
        "summary": family.summary,
        "takes_images": family.takes_images,
        "input": family.input_shape,
        "classes": family.classes,
        "own": dict(family.own),
        "parameters": spent.parameters,
        "keras_parameters": spent.keras_parameters,
        "flops": spent.flops,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of a terminal."""
    head = ("family", "document", "layers", "input", "classes", "parameters", "MFLOPs")
    return columns([head, *map(_cells, rows)], left=3)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["family"] + ("" if row["takes_images"] else " *"),
        row["source"].removeprefix("document "),
        row["summary"],
        by(row["input"]),
        str(row["classes"] or "-"),
        f"{row['parameters']:,}",
        f"{row['flops'] / 1e6:,.1f}",
    )
