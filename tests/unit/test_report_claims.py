"""What the report claims of a run, and how surely."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schwarz.report import page
from schwarz.steps.report import _largest
from tests.unit import report_results as example
from tests.unit.test_report import render, text, tree


@pytest.fixture(scope="module")
def html() -> str:
    return render()


def test_of_how_many_images_the_training_accuracies_are(html: str) -> None:
    assert "In brackets the accuracy on 2,000 of the 10,200 training images." in text(tree(html))
    assert "In brackets the accuracy on 10,200 training images." in text(tree(render(train_images=10200)))


def test_the_headline_names_the_winner_its_interval_chance_cost_and_global(html: str) -> None:
    header = tree(html).find(".//header")
    assert header is not None
    assert "composed_tuned won on validation" in text(header)
    best, other = (example.results()["strategies"][name] for name in ("composed_tuned", "global"))
    for row in (best, other):
        assert f"{row['test']:.3f}" in text(header)
        assert f"{row['low']:.3f} to {row['high']:.3f}" in text(header)
        assert f"{row['cpu_s']:,.1f} CPU-seconds" in text(header)
    assert "chance level is 0.100" in text(header)


def test_a_tie_on_validation_is_no_win() -> None:
    given = example.results()
    given["strategies"]["global"]["validation"] = given["strategies"]["composed_tuned"]["validation"]
    html = page(given, *example.samples())
    assert "<h1>composed_tuned is level with global on validation</h1>" in html  # and as large
    given["strategies"]["global"]["parameters"] += 1
    html = page(given, *example.samples())
    assert "<h1>composed_tuned is level with global on validation, and smaller</h1>" in html


def test_figures_of_a_signature_have_their_sign_and_words_their_hyphen() -> None:
    sign = example.results()["signatures"][0] | {"because": "0.31 CPU-seconds: a lead of -0.0018"}
    assert "0.31 CPU-seconds: a lead of \N{MINUS SIGN}0.0018." in text(tree(render(signatures=[sign])))


def test_one_box_is_not_called_boxes() -> None:
    given = example.results()
    boxes = [[[0, 32], [0, 32]]]
    given |= {"partition": {"shape": [32, 32], "boxes": boxes}, "locals": given["locals"][:1], "missing": None}
    html = page(given, *example.samples())
    assert "Every image is one box, so that there is one local network." in text(tree(html))
    assert "One box of an image of 32 \N{MULTIPLICATION SIGN} 32 pixels." in text(tree(html))
    assert 'aria-label="T-shirt"' in html
    assert "1 boxes" not in html


def test_of_two_boxes_one_is_missing() -> None:
    found: dict[str, Any] = example.missing() | {"subsets": [2]}
    found["steadiest"] |= {"missing": 1}
    found["strategies"] = {name: rows[:2] for name, rows in found["strategies"].items()}
    shown = text(tree(render(missing=found)))
    assert "1 of the 2 boxes has the pixels of the training mean, on all" in shown
    assert "With 1 missing composed_tuned is best" in shown
    assert "(2 for 1 of them)" in shown


def headline(html: str) -> str:
    found = tree(html).find(".//header")
    assert found is not None
    return text(found)


def test_the_headline_says_by_how_much_and_how_sure() -> None:
    """Of the same images, both ways round; told apart only where interval and p agree."""
    pair = {"a": "global", "b": "composed_tuned", "difference": -0.012, "only_a": 61, "only_b": 85}
    for low, high, p, verdict in (
        (-0.024, -0.0001, 0.0566, "is not told apart from global: the interval and p do not agree"),
        (-0.024, 0.001, 0.041, "is not told apart from global: the interval and p do not agree"),
        (-0.024, 0.001, 0.0566, "is not told apart from global"),
        (-0.024, -0.002, 0.00001, "is better (95%), on images like these"),
    ):
        html = render(pairs=[pair | {"low": low, "high": high, "p": p}])
        told = headline(html)
        p_value = "< 0.0001" if p < 0.0001 else f"= {p:.4f}"
        interval = f"{-high:+.4f} to +0.0240".replace("-", "\N{MINUS SIGN}")
        assert f"the difference is +0.0120, 95% of it {interval} (p {p_value}): composed_tuned {verdict}." in told
        assert f"95%: {interval}, at" in text(tree(html))


def test_the_headline_says_that_the_test_images_chose_the_winner() -> None:
    pair = {"a": "composed_tuned", "b": "global", "difference": 0.05, "low": 0.04, "high": 0.06, "only_a": 110}
    given = example.results()
    given |= {"pairs": [pair | {"only_b": 10, "p": 1e-9}], "data": given["data"] | {"validation_is_test": True}}
    told = headline(page(given, *example.samples()))
    assert "The validation images are the test images: what was chosen by them flatters the test accuracy." in told
    assert "composed_tuned is better, on the images that it was chosen by." in told


def test_what_is_best_without_boxes_is_named_with_its_certainty(html: str) -> None:
    shown = text(tree(html))
    assert "1 to 3 of the 4 boxes have the pixels of the training mean, on all 2,000 test images." in shown
    lead = "its lead over global is +0.0032, 95% of it \N{MINUS SIGN}0.0040 to +0.0104"
    assert f"With 2 missing composed_tuned is best in the mean, 0.423: {lead}, so that they are not told apart" in shown
    assert "Without box 0 alone composed_tuned loses 0.272 (95%: 0.250 to 0.290), more than without any other." in shown
    found: dict[str, Any] = example.missing() | {"images": 500}
    found["steadiest"] |= {"low": 0.001}
    found["dearest"]["composed_tuned"]["told_apart"] = False
    shown = text(tree(render(missing=found)))
    assert "on 500 of the 2,000 test images, so that with 0 boxes missing" in shown
    assert "0.0010 to +0.0104. Without box 0" in shown
    assert "more than without any other, but not told apart from box 1." in shown
    assert "a whole one" not in shown


def test_the_largest_class_is_held_against_accuracy_where_it_is_more_than_chance(html: str) -> None:
    assert "always the largest class" not in html
    unbalanced = page({**example.results(), "largest_class": 0.768}, *example.samples())
    for chance in ("chance level is 0.100", "Chance level 0.1000"):
        assert f"{chance}; always the largest class would be right 0.768 of the time." in text(tree(unbalanced))
    assert "beside the chance level (dashed)" in html
    assert "beside the largest class (dashed)" in unbalanced
    for drawn in ("intervals-text", "missing-text"):
        for told, level in ((html, "chance level 0.100"), (unbalanced, "largest class 0.768")):
            titles = {element.get("id"): text(element) for element in tree(told).iter() if element.get("id")}
            assert titles[drawn].endswith(f"; {level}.")


def test_the_largest_class_is_that_of_the_test_images(tmp_path: Path) -> None:
    np.save(tmp_path / "classes.npy", np.array([0, 1, 1, 1]))
    assert _largest(tmp_path) == 0.75


def test_of_images_that_the_coarse_net_learned_from_8_bits_and_32_have_their_difference_alone() -> None:
    shown = text(tree(render()))
    assert "in whole numbers of 8 bits its validation accuracy is 0.902, in float32 0.903." in shown
    shown = text(tree(render(model=example.results()["model"] | {"strategy": "coarse"})))
    assert "0.903 (its coarse net learned from these images: only the difference of the two says something)." in shown
