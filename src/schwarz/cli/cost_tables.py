"""The cost tables of document 3 as `cost --tables` prints them, ours beside the printed figures."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from schwarz.cli.columns import by, columns, short

if TYPE_CHECKING:
    from schwarz.tables import Figure, LayerTable, Row, Table

WIDTH = 112
UNITS = {1: "", 10**6: "M", 10**9: ""}
"""What stands behind a printed figure: parameters are in millions; of operations the head of the column says it."""


def text(tables: "Sequence[LayerTable | Table]") -> str:
    """All tables, an empty line between them."""
    return "\n\n".join("\n".join(_lines(table)) for table in tables)


def as_json(tables: "Sequence[LayerTable | Table]") -> list[dict[str, Any]]:
    """The same in figures: of every number ours, what is printed in which unit, and the difference."""
    from schwarz.tables import LayerTable

    return [
        {**asdict(table), "notes": table.notes}
        if isinstance(table, LayerTable)
        else {
            "number": table.number, "title": table.title, "more_per_parameter": table.more,
            "rows": [_row_json(row) for row in table.rows], "notes": table.notes,
        }
        for table in tables
    ]  # fmt: skip


def _lines(table: "LayerTable | Table") -> Iterator[str]:
    from schwarz.tables import LayerTable

    yield f"Table {table.number} of document 3: {table.title}"
    yield ""
    yield from _layers(table) if isinstance(table, LayerTable) else _costs(table)
    yield ""
    for note in table.notes:
        yield from wrap(note, WIDTH)


def _layers(table: "LayerTable") -> list[str]:
    head = ("layer", "output, global", "local", "kernel, global", "local", "the paper's")
    rows = []
    for row in table.rows:
        others = [theirs for mine, theirs in zip(row.ours, row.printed, strict=True) if mine != theirs]
        rows.append((row.layer, *row.ours, ", ".join(others) or "the same"))
    return columns([head, *rows], len(head))


def _costs(table: "Table") -> list[str]:
    compared = ("printed", "diff")
    head = ("network", "input", "parameters", *compared, "GFLOPs", *compared, f"+{table.more}/parameter", "diff")
    return columns([head, *map(_cells, table.rows)], 2)


def _cells(row: "Row") -> tuple[str, ...]:
    shape = by(row.input_shape or ())
    more = row.flops_and_more
    return (row.network, shape, *_figure(row.parameters), *_figure(row.flops), _ours(more), _difference(more))


def _figure(figure: "Figure") -> tuple[str, str, str]:
    return _ours(figure), f"{figure.printed}{UNITS[figure.unit]}", _difference(figure)


def _ours(figure: "Figure") -> str:
    """Parameters to the digit, operations in billions, ratios."""
    return f"{figure.ours:,}" if figure.unit == 10**6 else short(figure.ours / figure.unit)


def _difference(figure: "Figure") -> str:
    return f"{figure.difference:+.1%}".replace("-0.0%", "+0.0%")


def _row_json(row: "Row") -> dict[str, Any]:
    numbers = {name: getattr(row, name) for name in ("parameters", "flops", "flops_and_more")}
    figures = {name: {**asdict(each), "difference": each.difference} for name, each in numbers.items()}
    return {"network": row.network, "input_shape": row.input_shape, **figures}
