"""The model card says of a version what the evaluation found."""

import pytest

from schwarz.report.card import card
from tests.unit import report_results as example

ORIGIN = {"commit": "0123456789ab"}


@pytest.fixture
def told() -> str:
    found = example.results()
    return card("composed_tuned", found["data"], found, ORIGIN, 4)


def test_it_has_what_a_reader_of_the_registry_asks(told: str) -> None:
    headings = [line[3:] for line in told.splitlines() if line.startswith("## ")]
    assert headings == ["Intended use", "The model", "Data", "Figures, on the test images", "Limits"]
    assert "one of 10 classes" not in told
    assert "which of 10 classes an image of 1 x 28 x 28 shows: `T-shirt`, `Trouser`" in told
    assert "and 2 more" in told
    assert "Each of its local networks saw one of 4 boxes." in told
    assert "commit `0123456789ab`" in told
    assert "10,200 training, 1,800 validation and 2,000 test images" in told


def test_its_figures_are_those_of_the_strategy(told: str) -> None:
    row = example.results()["strategies"]["composed_tuned"]
    assert f"- accuracy: **{row['test']:.4f}** (95%: {row['low']:.4f} to {row['high']:.4f})" in told
    assert f"{row['parameters']:,} parameters" in told
    assert f"- accuracy on 2,000 training images: {row['train']:.4f}" in told
    [calibration] = [line for line in told.splitlines() if "calibration" in line]
    assert calibration == f"- calibration error: **{row['ece']:.4f}**"  # resamples lie above it, the figure outside


def test_its_limits_name_the_worst_class_and_a_lost_box(told: str) -> None:
    found = example.results()
    recalls = [row["recall"] for row in found["measures"]["composed_tuned"]["by_class"]]
    worst = found["data"]["classes"][recalls.index(min(recalls))]
    assert f"recognises {min(recalls):.3f} of the images of `{worst}`, its worst class" in told
    lost = found["missing"]["strategies"]["composed_tuned"][1]["mean"]
    assert f"- Without one of its boxes it is right, in the mean over them, on {lost:.3f} of 2,000 test images." in told


def test_it_says_that_the_test_images_chose_it(told: str) -> None:
    found = example.results()
    chosen = card("composed_tuned", found["data"] | {"validation_is_test": True}, found, ORIGIN, 4)
    said = "- The validation images are the test images: what was chosen by them flatters the test accuracy."
    assert said in chosen.split("## Limits")[1]
    assert said not in told


def test_a_graph_in_8_bits_says_what_is_its_own(told: str) -> None:
    found = example.results()
    of_small = card("composed_tuned", found["data"], found, ORIGIN, 4, int8=0.8765)
    assert "in whole numbers of 8 bits: it recognises **0.8765** of the test images" in of_small
    assert "8 bits" not in told


def test_a_network_without_boxes_has_a_card_too() -> None:
    found = example.results()
    found["missing"] = None
    assert "box" not in card("global", found["data"], found, ORIGIN, 4)
    assert "box" not in card("coherent", found["data"], found, ORIGIN, 1)


def test_a_class_without_test_images_is_not_its_worst() -> None:
    found = example.results()
    found["measures"]["global"]["by_class"][3] |= {"recall": 0.0, "images": 0}
    told = card("global", found["data"], found, ORIGIN, 4)
    assert f"`{found['data']['classes'][3]}`, its worst class" not in told
