"""Accuracy against epochs and against cost: two panels for each preset, a dot for every seed, a larger one for their
mean, and the course of `global`: what lies above it did more with as much.

An .svg that stands alone, and is light or dark as the reader's screen is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from schwarz.report import names
from schwarz.report.figures import ACCENT, INK, MUTED, PAPER, drawing, inline
from schwarz.study.findings import Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL = (440, 380)
MEASURES = {"epochs": "epochs, of local networks and own", "cpu_s": "CPU-seconds with set-up"}
STYLE = """<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif;
  --paper: #ffffff; --ink: #1b2227; --muted: #5c6870; --rule: #dde2e5; --accent: #0b6c82; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14191d; --ink: #e4e9ec; --muted: #9aa6ae; --rule: #2e363c; --accent: #5fc4d8; } }
</style><rect width="100%" height="100%" fill="var(--paper)"/>"""


def svg(found: Mapping[str, Sequence[Finding]]) -> str:
    """One row of panels for every preset."""
    from matplotlib.figure import Figure

    with drawing():
        size = (PANEL[0] * len(MEASURES) / 72, PANEL[1] * len(found) / 72)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(found), len(MEASURES), squeeze=False)
        shown = {preset: [each for each in rows if not each.local] for preset, rows in found.items()}
        for line, (preset, rows) in zip(grid, shown.items(), strict=True):
            for axes, measure in zip(line, MEASURES, strict=True):
                _draw(axes, rows, measure)
            line[0].set_title(preset)
        figure.supxlabel(_legend(shown.values()), x=0.01, ha="left", fontsize=11, color=MUTED)
        figure.draw_without_rendering()  # settles the layout, which the names need
        for line, rows in zip(grid, shown.values(), strict=True):
            for axes, measure in zip(line, MEASURES, strict=True):
                names.write(axes, {each.name: _covered(each, measure) for each in rows}, _colours(rows))
        told = "; ".join(f"{each.preset} {each.name} {_words(each)}" for rows in shown.values() for each in rows)
        drawn = inline(figure, "study", "Validation accuracy against epochs and against CPU-seconds", f"{told}.")
    head, inside = drawn.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg">{STYLE}{inside}\n'


def _draw(axes: "Axes", rows: Sequence[Finding], measure: str) -> None:
    colours = _colours(rows)
    for each in rows:
        axes.plot(*zip(*_path(each, measure), strict=True), color=MUTED, linewidth=1)
        seeds = _seeds(each, measure)
        axes.scatter(*zip(*seeds, strict=True), color=colours[each.name], s=16, alpha=0.55, linewidth=0)
        axes.scatter(*_mean(each, measure), color=colours[each.name], edgecolor=PAPER, linewidth=1, s=44, zorder=3)
    axes.set(xlabel=MEASURES[measure], ylabel="validation accuracy")
    axes.set_xlim(0, 1.12 * max(figures[measure] or 0.0 for each in rows for figures in each.figures))
    axes.margins(y=0.12)


def _colours(rows: Sequence[Finding]) -> dict[str, str]:
    """What is made of local networks stands out against what is trained as a whole."""
    return {each.name: INK if each.name in ("global", "coherent") else ACCENT for each in rows}


def _legend(shown: Iterable[Sequence[Finding]]) -> str:
    """What is drawn, in words."""
    found = [each for rows in shown for each in rows]
    parts = [
        "small dots: single seeds; large ones: their means"
        if any(each.figures[1:] for each in found)
        else "dots: the only seed",
        *(["line: global, epoch by epoch"] if any(each.course for each in found) else []),
        "in colour: with local networks trained apart",
    ]
    return "; ".join(parts)


def _seeds(found: Finding, measure: str) -> list[tuple[float, float]]:
    return [(figures[measure] or 0.0, figures["validation"] or 0.0) for figures in found.figures]


def _covered(found: Finding, measure: str) -> list[tuple[float, float]]:
    """What no name should lie on, to the point that its name stands at."""
    course = _path(found, measure)[:-1]
    mean = _mean(found, measure)
    return [*course, *(place for seed in _seeds(found, measure) for place in (mean, seed)), mean]


def _path(found: Finding, measure: str) -> list[tuple[float, float]]:
    """Its course, as far as one is known, to where it ends."""
    return [*((at[measure], at["validation"]) for at in found.course), _mean(found, measure)]


def _mean(found: Finding, measure: str) -> tuple[float, float]:
    spent, reached = found.of(measure), found.of("validation")
    assert spent, f"{found.name} cost something"
    assert reached, f"{found.name} was measured"
    return spent.mean, reached.mean


def _words(found: Finding) -> str:
    cpu_s, accuracy = _mean(found, "cpu_s")
    return f"{accuracy:.4f} at {cpu_s:,.0f} CPU-seconds"
