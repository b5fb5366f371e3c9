"""The charts of the report: strategies beside chance level, accuracy against cost, one learning curve a network.

Each function returns an <svg> element. Rows are those of `strategies` in results.json, curves those of `curves`.
"""

from collections.abc import Mapping

from schwarz.report import names
from schwarz.report.courses import Course, Curve, Floor, Row
from schwarz.report.figures import ACCENT, INK, MUTED, PAPER, RULE, blank, drawing, inline

Limits = tuple[tuple[float, float], tuple[float, float]]  # of accuracy and of loss

_WIDTH = 440  # half a page wide, and still legible when shrunk to a phone
_DASHES = {"composed_tuned": (0, (9, 2)), "transfer": (0, (4, 2)), "coherent": (0, (1.2, 1.6))}


def intervals(strategies: Mapping[str, Row], best: str, floor: Floor) -> str:
    """Test accuracy of every strategy with its 95% interval, on the whole scale, beside what needs no knowledge."""
    places = list(range(len(strategies)))[::-1]
    test, low, high = ([row[key] for row in strategies.values()] for key in ("test", "low", "high"))
    colours = [ACCENT if name == best else INK for name in strategies]
    with drawing():
        figure, (axes,) = blank(_WIDTH, 56 + 26 * len(places))
        axes.grid(visible=False, axis="y")
        axes.hlines(places, floor.share, test, color=RULE, linewidth=1)
        axes.hlines(places, low, high, color=colours, linewidth=7, alpha=0.45)
        axes.scatter(test, places, color=colours, s=12, zorder=3)
        axes.axvline(floor.share, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        side, step = ("left", 0.012) if floor.share < 0.5 else ("right", -0.012)
        axes.text(floor.share + step, len(places) - 0.45, str(floor), color=MUTED, fontsize=11, va="center", ha=side)
        for place, value, colour in zip(places, test, colours, strict=True):
            axes.text(1.02, place, f"{value:.3f}", color=colour, fontsize=12, va="center")
        axes.set(xlim=(0, 1), ylim=(-0.6, len(places)), xlabel="test accuracy")
        axes.set_yticks(places, list(strategies), fontsize=12)
        for label, colour in zip(axes.get_yticklabels(), colours, strict=True):
            label.set_color(colour)
        axes.spines["left"].set_visible(False)
        told = "; ".join(f"{n} {r['test']:.3f} ({r['low']:.3f} to {r['high']:.3f})" for n, r in strategies.items())
        title = "Test accuracy of each strategy with its 95% interval"
        return inline(figure, "intervals", title, f"{told}; {floor}.")


def cost(courses: Mapping[str, Course], best: str) -> str:
    """Validation accuracy against the CPU-seconds spent: a line for each training, a dot for what has no epochs."""
    lowest, highest = (f(max(c.accuracy) for c in courses.values()) for f in (min, max))
    margin = max(0.08 * (highest - lowest), 0.005)
    colours = {name: ACCENT if name == best else INK for name in courses}
    with drawing():
        figure, (axes,) = blank(_WIDTH, 340)
        axes.set(xlim=(0, 1.12 * max(c.cpu_s[-1] for c in courses.values())))
        axes.set(ylim=(lowest - margin, min(highest + margin, 1 + margin / 2)))
        axes.set(xlabel="CPU-seconds of training so far", ylabel="validation accuracy")
        for name, course in courses.items():
            line = {"color": colours[name], "linestyle": _DASHES.get(name, "solid"), "linewidth": 1.6}
            if len(course.cpu_s) == 1:
                axes.scatter(*course, color=colours[name], edgecolor=PAPER, linewidth=1, s=42, zorder=3)
            else:
                axes.plot(*course, marker="o" if len(course.cpu_s) <= 12 else None, markersize=3, **line)
        figure.draw_without_rendering()  # settles the layout, which the names need
        shown = {name: list(zip(course.cpu_s, course.accuracy, strict=True)) for name, course in courses.items()}
        names.write(axes, shown, colours)
        told = "; ".join(f"{name} {_passed(course)}" for name, course in courses.items())
        return inline(figure, "cost", "Validation accuracy against CPU-seconds of training", f"{told} CPU-seconds.")


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


def _passed(course: Course) -> str:
    """Where a course begins and ends, and its best epoch, in words."""
    best = course.accuracy.index(max(course.accuracy))
    places = sorted({0, best, len(course.cpu_s) - 1})
    return ", ".join(f"{course.accuracy[place]:.3f} at {course.cpu_s[place]:,.1f}" for place in places)


def _course(values: Curve) -> str:
    """First and last value of every series, in words."""
    told = [
        f"{key.replace('_', ' ')} {series[0]:.3f} to {series[-1]:.3f}"
        for key, series in values.items()
        if series and key not in ("epoch", "cpu_s")
    ]
    return f"Epochs {values['epoch'][0]} to {values['epoch'][-1]}: {', '.join(told)}."
