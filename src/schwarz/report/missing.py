"""What a lost box costs: accuracy with 1 to N - 1 boxes missing."""

from collections.abc import Mapping
from typing import Any

from schwarz.report import names
from schwarz.report.courses import Floor
from schwarz.report.figures import ACCENT, INK, MUTED, blank, drawing, inline

_DASH = (0, (4, 3))


def decline(missing: Mapping[str, Any], best: str, floor: Floor) -> str:
    """Mean accuracy of every strategy by how many boxes are missing; of the best, from its worst case to its best."""
    rows, n = missing["strategies"], len(missing["subsets"])
    told_apart = {missing["steadiest"]["strategy"]: INK, "global": INK, best: ACCENT}
    colours = {name: told_apart.get(name, MUTED) for name in rows}
    lines = {name: [(m, at["mean"]) for m, at in enumerate(found)] for name, found in rows.items()}
    with drawing():
        figure, (axes,) = blank(440, 340)
        axes.set(xlim=(-0.1, n * 1.42), ylim=(0, 1), xlabel="boxes missing", ylabel="test accuracy")
        axes.set_xticks(_ticks(n))
        axes.axhline(floor.share, color=MUTED, linewidth=1.2, linestyle=_DASH)
        worst, highest = ([at[end] for at in rows[best]] for end in ("worst", "best"))
        axes.fill_between(range(n + 1), worst, highest, color=ACCENT, alpha=0.18, linewidth=0)
        for name, line in lines.items():
            width = 1.6 if name in told_apart else 0.8
            axes.plot(*zip(*line, strict=True), color=colours[name], marker="o", markersize=3, linewidth=width)
        figure.draw_without_rendering()
        names.write(axes, lines, colours)
        told = "; ".join(f"{name} {', '.join(f'{y:.3f}' for _, y in line)}" for name, line in lines.items())
        title = f"Test accuracy with 0 to {n} boxes missing"
        return inline(figure, "missing", title, f"{told}; {floor}.")


def _ticks(n: int) -> list[int]:
    return list(range(0, n + 1, max(1, (n + 1) // 8)))
