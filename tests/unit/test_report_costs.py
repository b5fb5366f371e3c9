"""Accuracy against cost, drawn and told: what is spent before a line begins, and who had how much for it."""

import re
from collections.abc import Mapping
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from schwarz.config import STRATEGIES
from schwarz.report import names, page
from schwarz.report.courses import Course, Level, follow, level
from schwarz.report.figures import INK, blank, drawing
from tests.unit import report_results as example


def row(validation: float, cpu_s: float) -> dict[str, float]:
    return {"validation": validation, "cpu_s": cpu_s}


def curve(accuracy: list[float], cpu_s: list[float]) -> dict[str, list[float]]:
    return {"validation_accuracy": accuracy, "cpu_s": cpu_s}


def told(given: dict[str, Any]) -> str:
    """The page's sentences on `global` at the cost of `composed_tuned`, without their tags."""
    found = re.search(r'<p id="level">(.*?)</p>', page(given, *example.samples()), re.DOTALL)
    return " ".join(found.group(1).split()) if found else ""


def at_cost(*cpu_s: float, accuracy: list[float]) -> dict[str, Any]:
    """The example with `global` trained at these costs to these accuracies."""
    given = example.results()
    epochs = len(accuracy)
    kept = {name: series[:epochs] for name, series in given["curves"]["global"].items()}
    given["curves"] = {"global": kept | curve(accuracy, list(cpu_s))}
    given["strategies"]["global"] |= row(max(accuracy), cpu_s[-1])
    return given


def test_a_line_begins_at_the_cost_of_what_it_is_made_of() -> None:
    strategies = {
        "global": row(0.9, 30.0),
        "average": row(0.7, 10.0),
        "coarse": row(0.8, 11.0),
        "transfer": row(0.85, 16.0),
        "composed": row(0.6, 10.0),
        "composed_tuned": row(0.88, 18.0),
    }
    curves = {
        "local 0": curve([0.5], [10.0]),
        "global": curve([0.7, 0.9], [15.0, 30.0]),
        "coarse": curve([], [0.5, 1.0]),
        "transfer": curve([0.8, 0.85], [3.0, 6.0]),
        "composed_tuned": curve([0.82, 0.88], [4.0, 8.0]),
    }
    assert follow(strategies, curves) == {
        "global": Course([15.0, 30.0], [0.7, 0.9]),
        "average": Course([10.0], [0.7]),
        "coarse": Course([11.0], [0.8]),
        "transfer": Course([13.0, 16.0], [0.8, 0.85]),
        "composed": Course([10.0], [0.6]),
        "composed_tuned": Course([10.0, 14.0, 18.0], [0.6, 0.82, 0.88]),
    }
    del strategies["composed"]
    assert follow(strategies, curves)["composed_tuned"] == Course([14.0, 18.0], [0.82, 0.88])


def test_in_the_example_lines_begin_where_the_local_networks_end() -> None:
    given = example.results()
    found = follow(given["strategies"], given["curves"])
    spent = sum(box["cpu_s"] for box in given["locals"])
    assert found["composed_tuned"].cpu_s[0] == pytest.approx(spent)
    assert found["composed_tuned"].accuracy[0] == given["strategies"]["composed"]["validation"]
    assert found["transfer"].cpu_s[0] == pytest.approx(spent + given["curves"]["transfer"]["cpu_s"][0])
    for name, course in found.items():
        assert course.cpu_s[-1] == pytest.approx(given["strategies"][name]["cpu_s"])


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (9.9, Level(0, 0.0, 0.0, False)),
        (10.0, Level(1, 10.0, 0.7, False)),
        (39.0, Level(3, 30.0, 0.9, False)),  # the best epoch until then, not the last one
        (40.0, Level(4, 40.0, 0.95, True)),
        (99.0, Level(4, 40.0, 0.95, True)),
    ],
)
def test_what_global_had_reached_for_a_cost(cost: float, expected: Level) -> None:
    curves = {"global": curve([0.7, 0.9, 0.85, 0.95], [10.0, 20.0, 30.0, 40.0])}
    assert level({"composed_tuned": row(0.9, cost)}, curves) == expected
    assert level({}, curves) is None
    assert level({"composed_tuned": row(0.9, cost)}, {}) is None


def test_the_page_says_who_was_ahead_for_the_cost_of_composed_tuned() -> None:
    reached = "composed_tuned cost 66.2 CPU-seconds in all and reached 0.9115 on validation. For that, global had "
    assert told(at_cost(30.0, 60.0, 90.0, accuracy=[0.8, 0.9215, 0.95])) == reached + (
        "finished 2 epochs (60.0 CPU-seconds) and reached 0.9215: global was ahead by 18 of 1,800 validation images. "
        "global was then in the midst of a longer training; one planned to end there may reach more."
    )
    assert told(at_cost(50.0, accuracy=[0.9015])) == reached + (
        "ended after 1 epoch (50.0 CPU-seconds) and reached 0.9015: "
        "composed_tuned was ahead by 18 of 1,800 validation images."
    )
    assert told(at_cost(50.0, accuracy=[0.9115])).endswith("reached 0.9115: they were level.")
    assert told(at_cost(70.0, accuracy=[0.95])) == reached.replace("global had ", "global had not") + (
        " finished its first epoch."
    )


def test_names_lie_beside_their_points_and_cover_no_line() -> None:
    lines = {
        "flat": [(0.1, 0.5), (0.9, 0.5)],
        "steep": [(0.5, 0.1), (0.5, 0.48), (0.51, 0.9)],
        **{f"dot {k}": [(0.3, 0.3 + 0.01 * k)] for k in range(4)},
    }
    axes, boxes = written(lines)
    assert boxes.keys() == lines.keys()
    for line in lines.values():
        path = axes.transData.transform(line)
        for t in np.linspace(0, 1, 100):
            for start, end in pairwise(np.vstack([path, path[-1:]])):
                assert not any(box.contains(*(start + t * (end - start))) for box in boxes.values())
    for a, b in combinations(boxes.values(), 2):
        assert not a.overlaps(b)
    for name, line in lines.items():
        x, y = axes.transData.transform(line[-1])
        assert abs(boxes[name].y0 - y) < 60
        assert min(abs(boxes[name].x0 - x), abs(boxes[name].x1 - x)) < 60


def test_names_of_one_point_do_not_read_on_as_one_word() -> None:
    _, boxes = written({name: [(0.1, 0.05)] for name in STRATEGIES})
    for a, b in combinations(boxes.values(), 2):
        level = min(a.y1, b.y1) > max(a.y0, b.y0) + 3
        assert not level or max(a.x0, b.x0) - min(a.x1, b.x1) > 4


def written(lines: Mapping[str, names.Line]) -> tuple[Axes, dict[str, Bbox]]:
    """Axes with these names, and where each is."""
    with drawing():
        figure, (axes,) = blank(440, 340)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        figure.draw_without_rendering()
        names.write(axes, lines, dict.fromkeys(lines, INK))
        return axes, {found.get_text(): Text.get_window_extent(found) for found in axes.texts}


def test_without_global_nothing_is_said_of_it() -> None:
    given = example.results()
    del given["strategies"]["global"]
    given["curves"] = {}
    assert told(given) == ""
