"""Tables as text."""

from collections.abc import Iterable, Sequence


def columns(rows: Iterable[Sequence[str]], left: int) -> list[str]:
    """Lines of equal columns: the first `left` of them words, the others numbers, which end below each other."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = [
        [f"{cell:<{width}}" if number < left else f"{cell:>{width}}" for number, (cell, width) in enumerate(cells)]
        for cells in (zip(row, widths, strict=True) for row in rows)
    ]
    return ["  ".join(row).rstrip() for row in aligned]


def by(shape: Sequence[int]) -> str:
    """3x32x32"""
    return "x".join(map(str, shape))


def short(value: float) -> str:
    """A number in four digits, whole where it has more."""
    return "0" if not value else f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}"
