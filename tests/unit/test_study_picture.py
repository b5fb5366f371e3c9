"""The picture of a study: what is drawn is explained, and no name lies on a dot."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from schwarz.presets import preset
from schwarz.study.cells import Cell, plan
from schwarz.study.findings import findings
from schwarz.study.picture import svg
from tests.unit.study_cells import finished

NAMES = ("global", "average", "coarse")
LETTER, HEIGHT = 5.5, 8  # at least, of a name in 11 px


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    """Document 1's CIFAR-10 with five seeds, whose accuracies lie below each other."""
    made = plan([preset("cifar10-vgg9-2x2")], 5, tmp_path)
    for number, cell in enumerate(made):
        finished(cell, 0.012 * number)
    return made


def drawn(cells: list[Cell]) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg(findings(cells))).iter())  # noqa: S314  # our own


def texts(cells: list[Cell]) -> list[str]:
    return [each.text or "" for each in drawn(cells) if each.tag.endswith("}text")]


def test_what_is_drawn_is_explained_below(cells: list[Cell]) -> None:
    said = "small dots: single seeds; large ones: their means; line: global, epoch by epoch"
    assert texts(cells)[-1] == f"{said}; in colour: with local networks trained apart"


def test_of_one_seed_there_are_no_means(cells: list[Cell]) -> None:
    assert texts(cells[:1])[-1].startswith("dots: the only seed; line: global")


def test_no_name_lies_on_the_dot_of_a_seed(cells: list[Cell]) -> None:
    elements = drawn(cells)
    dots = [each for each in elements if each.tag.endswith("}use") and "--muted" not in each.attrib.get("style", "")]
    places = [(float(dot.attrib["x"]), float(dot.attrib["y"])) for dot in dots if "fill" in dot.attrib.get("style", "")]
    assert len(places) >= 2 * 3 * 6  # in each panel, of each strategy five seeds and their mean
    named = [each for each in elements if each.tag.endswith("}text") and each.text in NAMES]
    assert len(named) == 2 * len(NAMES)
    for name in named:
        left, foot = float(name.attrib["x"]), float(name.attrib["y"])
        right = left + LETTER * len(name.text or "")
        assert not [(x, y) for x, y in places if left < x < right and foot - HEIGHT < y < foot]
