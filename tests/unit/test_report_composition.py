"""What the report says of a composition, and Figure 3.7."""

import re
from dataclasses import fields, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from schwarz.bounds import Bound
from schwarz.cases import Case, Cause, by_remedy
from schwarz.report import composition, features, page
from schwarz.report.composition import claims, small, summary
from schwarz.verdict import Verdict
from tests.unit import report_results as example
from tests.unit.test_report import table, text, tree


def section(html: str) -> str:
    """The words of the section on composing."""
    (found,) = [each for each in tree(html).iter("section") if text(each).startswith("What composing keeps")]
    return text(found)


@pytest.fixture(scope="module")
def html() -> str:
    return page(example.results(), *example.samples())


def test_the_case_the_deciding_layers_and_what_would_be_exact(html: str) -> None:
    shown = section(html)
    assert "Checked on 256 validation images" in shown
    assert "field: its features are those of the local networks on the activation field" in shown
    assert "pads at the cuts, where the global network has pixels (so do 5 more). Exact would be: padding 0." in shown
    assert "was not seen" not in shown


def test_the_price_of_padding_is_what_composed_loses_against_product(html: str) -> None:
    (pair,) = [each for each in example.results()["pairs"] if (each["a"], each["b"]) == ("product", "composed")]
    low, high = (f"{-pair[end]:+.4f}".replace("-", "\N{MINUS SIGN}") for end in ("high", "low"))
    lost = f"{-pair['difference']:+.4f}".replace("-", "\N{MINUS SIGN}")
    assert "product reaches 0.8520, composed 0.8145" in section(html)
    assert f"the price of same padding is {lost}, 95% of it {low} to {high}. Tuned, it reaches 0.9065." in section(html)


@pytest.mark.parametrize(("stored", "why"), [(True, " and of recomputed statistics"), (False, "")])
def test_recomputed_statistics_have_their_part_in_the_price(stored: bool, why: str) -> None:
    found = example.verify()
    found["statistics"] |= {"used": "recompute", "stored": stored}
    assert composition.loss(found) == f"same padding{why}"
    assert composition.loss(found | {"causes": []}) == ("recomputed statistics" if stored else "rounding")


def test_an_exact_composition_costs_nothing_and_another_reason_is_not_called_padding() -> None:
    found, others = example.verify(), [each for each in example.results()["pairs"] if each["b"] != "composed"]
    same = {
        "a": "product",
        "b": "composed",
        "difference": 0.0,
        "low": -0.001,
        "high": 0.001,
        "only_a": 0,
        "only_b": 0,
        "p": 1,
    }
    exact = found | {"exact": True, "case": "exact", "causes": []}
    html = page(example.results() | {"verify": exact, "pairs": [*others, same]}, *example.samples())
    assert "both are right on the same images, it costs nothing." in section(html)
    found["causes"].append(found["causes"][0] | {"reason": "normalises by the values of a box"})
    html = page(example.results() | {"verify": found}, *example.samples())
    assert "the price of what these layers do is" in section(html)
    without = [each for each in example.results()["pairs"] if "product" not in (each["a"], each["b"])]
    assert "What that costs" not in section(page(example.results() | {"pairs": without}, *example.samples()))


def test_every_field_with_the_largest_difference_there(html: str) -> None:
    assert table(html, "fields") == [
        ["features.0", "32 x 32", "15 x 15 each", "0"],
        ["features.3", "32 x 32", "14 x 14 each", "0"],
        ["features.6", "32 x 32", "13 x 13 each", "4.8e-07"],
        ["features.9", "16 x 16", "6 x 6 each", "4.8e-07"],
        ["features.20", "8 x 8", "none", "nothing is claimed"],
    ]


def test_the_name_of_a_layer_can_break_after_its_dots() -> None:
    found = example.verify()
    found["fields"][0]["layer"] = "stage1.unit<3>.relu"
    html = page(example.results() | {"verify": found}, *example.samples())
    assert table(html, "fields")[0][0] == "stage1.unit<3>.relu"
    assert "<code>stage1.<wbr />unit&lt;3&gt;.<wbr />relu</code>" in html


def test_both_sides_of_the_theorems_and_whether_they_are_claimed(html: str) -> None:
    rows = table(html, "theorems")
    assert [row[1:] for row in rows] == [
        ["4.8e-07", "1.2e-04", "holds"],
        ["18.03", "0.00462", "not claimed"],
        ["7", "0", "not claimed"],
        ["1.26", "0", "not claimed"],
        ["141.7", "461", "holds here, not claimed"],
    ]
    assert [row[0].split(" ")[0] for row in rows] == ["(2.15)", "(2.16)", "Theorem", "(2.21):", "(2.19):"]


def test_both_accuracies_of_the_statistics(html: str) -> None:
    assert "0.8239 on validation with those kept and 0.8061 with those recomputed; this run keeps them" in section(html)


def test_an_exact_composition_has_no_deciding_layers_and_claims_all() -> None:
    found = example.verify() | {"case": "exact", "exact": True, "causes": [], "logit_gap": 0.001}
    found["bounds"] = [bound | {"holds": True} for bound in found["bounds"]]
    html = page(example.results() | {"verify": found}, *example.samples())
    assert tree(html).find(".//dl[@id='deciding']") is None
    assert {row[-1] for row in table(html, "theorems")} == {"holds"}


def test_what_does_not_hold_is_said_to_be_so() -> None:
    found = example.verify() | {"holds": False, "feature_gap": 0.5}
    html = page(example.results() | {"verify": found}, *example.samples())
    assert "Something that this case claims was not seen" in section(html)
    assert table(html, "theorems")[0][1:] == ["0.5", "1.2e-04", "does not hold"]


def test_a_run_that_composed_nothing_has_no_such_section() -> None:
    assert "What composing keeps" not in page(example.results() | {"verify": None}, *example.samples())


def test_layers_with_the_same_fields_are_one_entry() -> None:
    whole, none = [[[0, 4]], [[2, 6]]], [[[0, 0]], [[0, 0]]]
    layers = [
        {"name": "conv", "map": [6], "fields": whole, "gap": 1e-7},
        {"name": "relu", "map": [6], "fields": whole, "gap": 2e-7},
        {"name": "pool", "map": [3], "fields": none, "gap": None},
        {"name": "dense", "map": [], "fields": [[], []], "gap": None},
    ]
    assert summary({"case": "field", "layers": layers}) == {
        "case": "field",
        "fields": [
            {"layer": "conv", "map": [6], "fields": whole, "gap": 2e-7},
            {"layer": "pool", "map": [3], "fields": none, "gap": None},
        ],
    }


def test_what_leaves_nothing_is_named_before_what_leaves_a_field() -> None:
    causes = (
        Cause("a", "", "padding 0", Case.FIELD),
        Cause("b", "", "other starts"),
        Cause("c", "", "padding 0", Case.FIELD),
    )
    assert by_remedy(causes) == [(causes[1], 0), (causes[0], 1)]


def test_differences_are_short() -> None:
    assert [small(value) for value in (None, 0.0, 4.77e-7, 0.0046, 18.0319)] == ["", "0", "4.8e-07", "0.0046", "18.03"]


def test_bounds_of_the_claims_are_those_of_the_verdict() -> None:
    found = example.verify()
    assert [claim.name for claim in claims(found)[2:]] == [bound["name"] for bound in found["bounds"]]


def test_figure_3_7_stands_in_the_page_with_its_text_alternative() -> None:
    images, labels = example.samples()
    picture = features.svg(example.pairs(), images)
    html = page(example.results(), images, labels, picture)
    assert picture in html
    titles = {element.get("id"): text(element) for element in tree(html).iter() if element.get("id")}
    assert titles["features-text"] == (
        "Largest difference on the activation fields: layer 1 (features.2) 0; layer 3 (features.8) 4.8e-07; "
        "layer 5 (features.14) 4.8e-07."
    )
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert len(picture) < 100_000


def test_figure_3_7_has_a_row_for_each_box_and_three_maps_for_each_layer() -> None:
    picture = ElementTree.fromstring(features.svg(example.pairs(), example.samples()[0]))  # noqa: S314  # our own
    words = [text(element) for element in picture.iter("text")]
    assert [word for word in words if word.startswith("box")] == ["box 0", "box 1", "box 2", "box 3"]
    assert words.count("local") == words.count("composed") == words.count("difference") == 3
    assert [word for word in words if word.startswith(("layer", "features"))] == [
        "layer 1, 32x32", "features.2", "layer 3, 32x32", "features.8", "layer 5, 16x16", "features.14",
    ]  # fmt: skip
    assert "on the field: 4.8e-07" in words
    assert sum(element.tag == "image" for element in picture.iter()) == 4 * (1 + 3 * 3)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("stage1.unit3.residual.relu", "stage1.unit3.residual.relu"),
        ("a" * 36, "a" * 36),
        ("backbone.encoder.stage1.unit3.residual.relu", "…encoder.stage1.unit3.residual.relu"),
    ],
)
def test_of_a_long_name_of_a_layer_its_end_is_shown(name: str, shown: str) -> None:
    picture = features.svg([replace(pair, name=name) for pair in example.pairs()], example.samples()[0])
    words = [text(element) for element in ElementTree.fromstring(picture).iter("text")]  # noqa: S314  # our own
    assert words.count(shown) == 3
    assert len(shown) <= 36
    assert f"layer 1 ({name})" in picture  # whole in its words


def test_nothing_is_outlined_where_nothing_is_claimed() -> None:
    none = [replace(pair, claimed=False) for pair in example.pairs()]
    picture = features.svg(none, example.samples()[0])
    assert "on the field: not claimed" in picture
    assert picture.count("var(--accent)") < features.svg(example.pairs(), example.samples()[0]).count("var(--accent)")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_is_equal_inside_the_outlines(tmp_path: Path, channels: int) -> None:
    """The pixels of the first map and of the second, inside the field of the first box."""
    features.write(tmp_path / "maps.png", example.pairs(), example.samples(channels)[0])
    pixels = np.asarray(Image.open(tmp_path / "maps.png").convert("RGB")).astype(int)
    left, top, side = 2 * (2 + 84 + 21), 2 * 62, 2 * 84 * 13 // 32
    local, composed, difference = (pixels[top + 6 : top + side, x + 6 : x + side] for x in (
        left, left + 2 * 89, left + 4 * 89))  # fmt: skip
    assert abs(local - composed).max() <= 2
    assert np.ptp(local) > 50
    assert difference.min() > 250


def test_the_results_of_these_tests_have_the_keys_of_a_verdict():
    said = {field.name for field in fields(Verdict)} | {"exact", "holds", "feature_gap", "statistics", "fields"}
    block = example.verify()
    assert set(block) == said - {"layers"}
    assert {name for bound in block["bounds"] for name in bound} == {field.name for field in fields(Bound)} | {"holds"}
    assert {name for cause in block["causes"] for name in cause} == {field.name for field in fields(Cause)}
