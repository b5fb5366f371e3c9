"""The charts of the report: strategies beside chance level, accuracy against its cost, one learning curve a network.

Each function returns an <svg> element. Rows are those of `strategies` in results.json, curves those of `curves`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from schwarz.report.figures import ACCENT, INK, MUTED, PAPER, RULE, blank, drawing, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]
Curve = Mapping[str, Sequence[float]]  # a series that was not measured is empty
Limits = tuple[tuple[float, float], tuple[float, float]]  # of accuracy and of loss
Spot = tuple[float, float, float, float]  # left, bottom, right, top, in pixels

_WIDTH = 440  # half a page wide, and still legible when shrunk to a phone
_LETTER, _LINE = 6.3, 13  # width and height of a letter of 11 px, in a wide typeface
_LEADER = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6}


def intervals(strategies: Mapping[str, Row], best: str, chance: float) -> str:
    """Test accuracy of every strategy with its 95% interval, on the whole scale, beside chance level."""
    places = list(range(len(strategies)))[::-1]
    test, low, high = ([row[key] for row in strategies.values()] for key in ("test", "low", "high"))
    colours = [ACCENT if name == best else INK for name in strategies]
    with drawing():
        figure, (axes,) = blank(_WIDTH, 56 + 26 * len(places))
        axes.grid(visible=False, axis="y")
        axes.hlines(places, chance, test, color=RULE, linewidth=1)
        axes.hlines(places, low, high, color=colours, linewidth=7, alpha=0.45)
        axes.scatter(test, places, color=colours, s=12, zorder=3)
        axes.axvline(chance, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.text(chance + 0.012, len(places) - 0.45, f"chance {chance:.3f}", color=MUTED, fontsize=11, va="center")
        for place, value, colour in zip(places, test, colours, strict=True):
            axes.text(1.02, place, f"{value:.3f}", color=colour, fontsize=12, va="center")
        axes.set(xlim=(0, 1), ylim=(-0.6, len(places)), xlabel="test accuracy")
        axes.set_yticks(places, list(strategies), fontsize=12)
        for label, colour in zip(axes.get_yticklabels(), colours, strict=True):
            label.set_color(colour)
        axes.spines["left"].set_visible(False)
        told = "; ".join(f"{n} {r['test']:.3f} ({r['low']:.3f} to {r['high']:.3f})" for n, r in strategies.items())
        title = "Test accuracy of each strategy with its 95% interval"
        return inline(figure, "intervals", title, f"{told}; chance level {chance:.3f}.")


def cost(strategies: Mapping[str, Row], best: str) -> str:
    """Test accuracy against the CPU-seconds that training took; the bars are 95% intervals."""
    lowest, highest = min(row["low"] for row in strategies.values()), max(row["high"] for row in strategies.values())
    margin = max(0.08 * (highest - lowest), 0.005)
    with drawing():
        figure, (axes,) = blank(_WIDTH, 300)
        axes.set(xlim=(0, 1.12 * max(row["cpu_s"] for row in strategies.values())))
        axes.set(ylim=(lowest - margin, min(highest + margin, 1.0)))
        axes.set(xlabel="CPU-seconds of training", ylabel="test accuracy")
        for name, row in strategies.items():
            colour = ACCENT if name == best else INK
            axes.vlines(row["cpu_s"], row["low"], row["high"], color=colour, linewidth=1.2, alpha=0.55)
            axes.scatter(row["cpu_s"], row["test"], color=colour, edgecolor=PAPER, linewidth=1, s=42, zorder=3)
        figure.draw_without_rendering()  # settles the layout, which the names need
        _name(axes, strategies, best)
        told = "; ".join(f"{name} {row['test']:.3f} at {row['cpu_s']:,.1f}" for name, row in strategies.items())
        return inline(figure, "cost", "Test accuracy against CPU-seconds of training", f"{told} CPU-seconds.")


def curve(number: int, name: str, values: Curve, limits: Limits) -> str:
    """Accuracy above loss, epoch by epoch: validation in the accent colour, training dashed."""
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(values["epoch"]) <= 12 else None
    with drawing():
        figure, pair = blank(226, 216, rows=2)
        for axes, measure, limit in zip(pair, ("accuracy", "loss"), limits, strict=True):
            for part, colour, line in (("train", MUTED, (0, (3, 2))), ("validation", ACCENT, "solid")):
                if series := values[f"{part}_{measure}"]:
                    axes.plot(values["epoch"], series, color=colour, linestyle=line, marker=marker, markersize=3)
            axes.set(ylim=limit, ylabel=measure)
            axes.yaxis.set_major_locator(MaxNLocator(4))
        pair[0].set_title(name)
        pair[1].set_xlabel(f"epoch ({values['cpu_s'][-1]:,.1f} CPU-s in all)")
        pair[1].set_xlim(values["epoch"][0] - 0.5, values["epoch"][-1] + 0.5)
        pair[1].xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        figure.align_ylabels()
        return inline(figure, f"curve-{number}", f"Learning curve of {name}", _course(values))


def limits(curves: Mapping[str, Curve]) -> Limits:
    """One scale of accuracy and one of loss for all the curves, so that they can be compared by eye."""
    accuracy, loss = (
        [
            value
            for values in curves.values()
            for part in ("train", "validation")
            for value in values[f"{part}_{measure}"]
        ]
        for measure in ("accuracy", "loss")
    )
    return (max(min(accuracy) - 0.03, 0.0), 1.0), (0.0, max(1.05 * max(loss), 0.01))


def _course(values: Curve) -> str:
    """First and last value of every series, in words."""
    told = [
        f"{key.replace('_', ' ')} {series[0]:.3f} to {series[-1]:.3f}"
        for key, series in values.items()
        if series and key not in ("epoch", "cpu_s")
    ]
    return f"Epochs {values['epoch'][0]} to {values['epoch'][-1]}: {', '.join(told)}."


def _name(axes: "Axes", strategies: Mapping[str, Row], best: str) -> None:
    """Write every point's name where it covers neither a bar nor another name; a thin line leads far ones back."""
    frame = axes.get_window_extent()
    bars = [
        axes.transData.transform([(row["cpu_s"], row[end]) for end in ("low", "high")]) for row in strategies.values()
    ]
    taken: list[Spot] = [(x - 4, bottom, x + 4, top) for (x, bottom), (_, top) in bars]
    for name, row in strategies.items():
        x, y = axes.transData.transform((row["cpu_s"], row["test"]))
        spots = list(_spots(x, y, _LETTER * len(name)))
        free = (spot for spot in spots if _within(spot, frame.extents) and not any(_touch(spot, t) for t in taken))
        spot = next(free, spots[0])
        taken.append(spot)
        right, middle = spot[0] > x, (spot[1] + spot[3]) / 2
        axes.annotate(
            name,
            (x, y),
            (spot[0] if right else spot[2], middle),
            xycoords="figure pixels",
            textcoords="figure pixels",
            ha="left" if right else "right",
            va="center",
            fontsize=11,
            color=ACCENT if name == best else INK,
            arrowprops=_LEADER | {"relpos": (0 if right else 1, 0.5)} if abs(middle - y) > _LINE else None,
        )


def _spots(x: float, y: float, width: float) -> Iterator[Spot]:
    """Places for a name around its point, nearest first: right or left of it, ever further below and above."""
    for step in range(24):
        middle = y + (step + 1) // 2 * (_LINE / 2) * (-1) ** step
        for left in (x + 9, x - 9 - width):
            yield left, middle - _LINE / 2, left + width, middle + _LINE / 2


def _within(spot: Spot, frame: Sequence[float]) -> bool:
    return frame[0] <= spot[0] and frame[1] <= spot[1] and spot[2] <= frame[2] and spot[3] <= frame[3]


def _touch(a: Spot, b: Spot) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
