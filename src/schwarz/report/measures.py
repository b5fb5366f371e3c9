"""How sure the winner is, and every other figure of the strategies: what the page says of them, as rows and charts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schwarz.published_accuracies import accuracies
from schwarz.report.figures import ACCENT, INK, MUTED, RULE, blank, drawing, inline

_SIDE = 300
_AROUND = (-0.08, 1.04)
"""0 to 1, and so much around it that the noughts of both axes keep apart."""
_DASH = (0, (4, 3))
_SURE = 0.05
"""Of p, as of the intervals; `schwarz.evaluation`, which says so too, imports torch."""


class Against(NamedTuple):
    """The winner against another strategy, on the same test images."""

    other: str
    difference: float
    low: float
    high: float
    only_best: int
    only_other: int
    p: float

    @property
    def verdict(self) -> str:
        """By interval and p: a narrow lead can be sure by one of them alone."""
        if self.p >= _SURE or self.low <= 0 <= self.high:
            return "not told apart"
        return "better" if self.difference > 0 else "worse"

    @property
    def doubt(self) -> str:
        """Why it is not told apart, where one of the two alone would."""
        alike = (self.p >= _SURE) == (self.low <= 0 <= self.high)
        return "" if alike else ": the interval and p do not agree"


class Printed(NamedTuple):
    """What a document prints of a strategy, beside ours; both on validation images."""

    strategy: str
    ours: float
    printed: str
    share: float
    table: str


def pair(pairs: Sequence[Mapping[str, Any]], one: str, other: str) -> Against | None:
    """`one` against `other`; None where there is no such pair."""
    return next((row for row in against(pairs, one) if row.other == other), None)


def against(pairs: Sequence[Mapping[str, Any]], best: str) -> list[Against]:
    """The pairs that the winner is in, seen from its side; the one it leads by least first."""
    rows = []
    for pair in pairs:
        if best == pair["a"]:
            ends, only = (pair["difference"], pair["low"], pair["high"]), (pair["only_a"], pair["only_b"])
            rows.append(Against(pair["b"], *ends, *only, pair["p"]))
        elif best == pair["b"]:
            ends, only = (-pair["difference"], -pair["high"], -pair["low"]), (pair["only_b"], pair["only_a"])
            rows.append(Against(pair["a"], *ends, *only, pair["p"]))
    return sorted(rows, key=lambda row: row.difference)


def printed(results: Mapping[str, Any]) -> list[Printed]:
    """What the documents print of this preset's strategies and local networks."""
    ours = {f"local {row['box']}": row["validation"] for row in results["locals"]}
    ours |= {name: row["validation"] for name, row in results["strategies"].items()}
    return [
        Printed(name, reached, each.text, each.share, each.table)
        for name, reached in ours.items()
        for each in accuracies(results["preset"], name)
    ]


def reliability(measures: Mapping[str, Any], shown: Sequence[str], best: str) -> str:
    """Accuracy of the answers of each confidence: on the diagonal a strategy is right as often as it says."""
    with drawing():
        figure, (axes,) = blank(_SIDE, _SIDE)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=_DASH)
        for name in shown:
            bins = measures[name]["reliability"]
            x, y, images = ([row[key] for row in bins] for key in ("confidence", "accuracy", "images"))
            colour, all_ = ACCENT if name == best else INK, sum(images)
            axes.plot(x, y, color=colour, linewidth=0.6, alpha=0.5)
            axes.scatter(x, y, [2 + 150 * n / all_ for n in images], color=colour, linewidth=0, label=name)
        axes.set(xlim=_AROUND, ylim=_AROUND, xlabel="confidence", ylabel="accuracy")
        axes.legend(frameon=False, fontsize=11, loc="upper left", labelcolor=MUTED)
        told = "; ".join(f"{name}: {_bins(measures[name]['reliability'])}" for name in shown)
        return inline(figure, "reliability", "Accuracy by confidence", f"{told}.")


def roc(measures: Mapping[str, Any], strategies: Mapping[str, Any], shown: Sequence[str], best: str) -> str:
    """Right decisions that are taken against wrong ones, as the probability that it takes falls."""
    with drawing():
        figure, (axes,) = blank(_SIDE, _SIDE)
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1, linestyle=_DASH)
        for name in shown:
            curve = measures[name]["roc"]
            axes.plot(curve["false"], curve["true"], color=ACCENT if name == best else INK, label=name)
        axes.set(xlim=_AROUND, ylim=_AROUND, xlabel="wrong classes taken", ylabel="right classes taken")
        axes.legend(frameon=False, fontsize=11, loc="lower right", labelcolor=MUTED)
        areas = "; ".join(f"{name} {strategies[name]['auc']:.4f}" for name in shown if strategies[name]["auc"])
        return inline(figure, "roc", "ROC curves, all classes together", f"Mean area over the classes: {areas}.")


def operations(strategies: Mapping[str, Any], best: str) -> str:
    """Test accuracy against the operations for one image."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    from schwarz.report import names

    colours = {name: ACCENT if name == best else INK for name in strategies}
    points = {name: (row["flops"] / 1e6, row["test"]) for name, row in strategies.items()}
    low, high = min(row["low"] for row in strategies.values()), max(row["high"] for row in strategies.values())
    fewest, most = (f(x for x, _ in points.values()) for f in (min, max))
    with drawing():
        figure, (axes,) = blank(440, _SIDE)
        axes.set_xscale("log")
        axes.set(xlim=(fewest / 1.6, most * 3), ylim=(low - 0.02, min(high + 0.02, 1.02)))
        axes.set(xlabel="million operations for one image", ylabel="test accuracy")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        for name, row in strategies.items():
            x, y = points[name]
            axes.vlines(x, row["low"], row["high"], color=colours[name], linewidth=5, alpha=0.35)
            axes.scatter(x, y, color=colours[name], s=22, zorder=3)
        figure.draw_without_rendering()
        bars = {
            name: [(x, strategies[name]["low"]), (x, strategies[name]["high"]), (x, y)]
            for name, (x, y) in points.items()
        }
        names.write(axes, bars, colours)
        told = "; ".join(f"{name} {y:.3f} with {x:,.1f}" for name, (x, y) in points.items())
        return inline(figure, "operations", "Test accuracy against operations for one image", f"{told} million.")


def _bins(rows: Sequence[Mapping[str, float]]) -> str:
    return ", ".join(f"{row['accuracy']:.2f} at {row['confidence']:.2f}" for row in rows)
