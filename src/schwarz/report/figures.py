"""A matplotlib figure as inline SVG that takes its colours and its typeface from the page.

Figures are drawn with the five placeholder colours below. `inline` replaces each by a CSS variable of the page, so
that one picture serves the light, the dark and the printed page. Text stays text: to be selected, searched, read out.
"""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, ACCENT, PAPER = "#000001", "#000002", "#000003", "#000004", "#000005"
VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", ACCENT: "--accent", PAPER: "--paper"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "figure.dpi": 72,  # one point is one unit of the SVG
    "savefig.dpi": 72,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titlecolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


@contextmanager
def drawing() -> Iterator[None]:
    """matplotlib set up for pictures of the page, whatever the person's own matplotlibrc says."""
    from matplotlib import style

    with style.context(["default", _STYLE]):
        yield


def blank(width: int, height: int, rows: int = 1) -> "tuple[Figure, list[Axes]]":
    """A figure of `width` x `height` pixels with `rows` axes above each other that share their x."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
    return figure, list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])


def inline(figure: "Figure", name: str, title: str, description: str) -> str:
    """The figure as an <svg> element with its text alternative; `name` keeps ids apart within a page."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    width, height = (round(72 * size) for size in figure.get_size_inches())
    body = file.getvalue().split("</defs>", 1)[1]  # after matplotlib's own style sheet
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # axes_1, text_3: the same in every figure
    body = re.sub(r' id="image[^"]*"', "", body)  # the same for the same picture
    body = re.sub(r" font-family: [^;\"]*;", "", body)
    body = body.replace("xlink:href", "href")
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    return (
        f'<svg class="plot" role="img" aria-labelledby="{name}-title {name}-text" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<title id="{name}-title">{html.escape(title)}</title>'
        f'<desc id="{name}-text">{html.escape(description)}</desc>{body}'
    )
