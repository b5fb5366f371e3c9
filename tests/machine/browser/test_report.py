"""The report in a real browser: light, dark, on a phone, printed, in a sandboxed frame; each picture is kept."""

import html as markup
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schwarz.report import page as report
from schwarz.report.features import svg
from tests.unit import report_results as example
from tests.unit.test_report_activation import looks

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
DESK = {"viewport": {"width": 1200, "height": 900}}
COLOURS = """() => Object.fromEntries(["--paper", "--ink", "--muted", "--accent"].map(
    name => [name, getComputedStyle(document.documentElement).getPropertyValue(name)]))"""
# Boxes of the pictures' texts as they are really drawn, with the reader's typeface.
TEXTS = """() => [...document.querySelectorAll("svg.plot")].map(picture => {
    const frame = picture.getBoundingClientRect();
    return [...picture.querySelectorAll("text")].map(text => {
        const box = text.getBoundingClientRect();
        return {text: text.textContent, box: [box.left, box.top, box.right, box.bottom],
                frame: [frame.left, frame.top, frame.right, frame.bottom]};
    });
})"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    samples, labels = example.samples()
    page = report(example.results(), samples, labels, svg(example.pairs(), samples), looks())
    path.write_text(page, encoding="utf-8")
    return path


@contextmanager
def opened(browser: "Browser", file: Path, **how: Any) -> "Iterator[Page]":
    """The page, without a network; at the end it has asked for nothing and complained of nothing."""
    context = browser.new_context(offline=True, **how)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG defines it."""
    parts = [int(colour.strip()[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def legible(page: "Page") -> None:
    """In every chart no text lies on another or outside its picture."""
    for texts in page.evaluate(TEXTS):
        for found in texts:
            left, top, right, bottom = found["box"]
            frame = found["frame"]
            assert frame[0] - 1 <= left <= right <= frame[2] + 1, found
            assert frame[1] - 1 <= top <= bottom <= frame[3] + 1, found
        for a, b in itertools.combinations(texts, 2):
            wide = min(a["box"][2], b["box"][2]) - max(a["box"][0], b["box"][0])
            high = min(a["box"][3], b["box"][3]) - max(a["box"][1], b["box"][1])
            assert wide < 1 or high < 4, (a["text"], b["text"])  # boxes of neighbouring lines touch, letters do not


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader(browser: "Browser", file: Path, artifacts: Path, scheme: str) -> None:
    with opened(browser, file, color_scheme=scheme, **DESK) as page:
        colours = page.evaluate(COLOURS)
        page.screenshot(path=artifacts / f"report-{scheme}.png", full_page=True)
        drawn = page.evaluate("() => getComputedStyle(document.querySelector('svg.plot text')).fill")
    assert (luminance(colours["--paper"]) < 0.05) == (scheme == "dark")
    for name in ("--ink", "--muted", "--accent"):
        assert contrast(colours[name], colours["--paper"]) >= 4.5, name
    red, green, blue = (int(value) for value in re.findall(r"\d+", drawn)[:3])
    assert f"#{red:02x}{green:02x}{blue:02x}" in [colour.strip() for colour in colours.values()]


def test_names_stay_legible_when_all_strategies_tie(browser: "Browser", tmp_path: Path) -> None:
    given, file = example.results(), tmp_path / "tie.html"
    for row in given["strategies"].values():
        row |= {"test": 0.1, "low": 0.087, "high": 0.114, "cpu_s": 1.6}
    file.write_text(report(given, *example.samples()), encoding="utf-8")
    with opened(browser, file, **DESK) as page:
        legible(page)


@pytest.mark.parametrize("how", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_overlaps_or_sticks_out(browser: "Browser", file: Path, artifacts: Path, how: dict[str, Any]) -> None:
    with opened(browser, file, **how) as page:
        page.screenshot(path=artifacts / f"report-{how['viewport']['width']}.png", full_page=True)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= how["viewport"]["width"]
        legible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_tables_fit_and_only_the_feature_maps_scroll(browser: "Browser", file: Path, scheme: str) -> None:
    with opened(browser, file, color_scheme=scheme, **PHONE) as page:
        regions = page.locator(".scroll").evaluate_all(
            "all => all.map(each => [each.getAttribute('aria-label'), each.scrollWidth > each.clientWidth])"
        )
    assert len(regions) == 12
    assert [name for name, wide in regions if wide] == ["Feature maps"]


def test_a_name_of_a_strategy_lies_on_none_of_its_numbers(browser: "Browser", file: Path) -> None:
    with opened(browser, file, **PHONE) as page:
        rows = page.locator("#strategies tr").evaluate_all("""rows => rows.map(row => [...row.cells].map(cell => {
            const words = document.createRange();
            words.selectNodeContents(cell);
            const {left, top, right, bottom} = words.getBoundingClientRect();
            return {left, top, right, bottom};
        }))""")
    for name, *numbers in rows:
        assert all(name["bottom"] <= number["top"] + 1 for number in numbers)
        assert all(a["right"] < b["left"] for a, b in itertools.pairwise(numbers))
        assert name["left"] >= 0
        assert numbers[-1]["right"] <= PHONE["viewport"]["width"]


def test_what_is_wider_than_a_phone_can_be_reached_by_keyboard(browser: "Browser", file: Path) -> None:
    with opened(browser, file, **PHONE) as page:
        for _ in range(page.locator(".scroll").count()):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement.matches('.maps')"):
                break
        page.keyboard.press("ArrowRight")
        assert page.evaluate("() => document.activeElement.matches('.maps')")
        page.wait_for_function("() => document.activeElement.scrollLeft > 0")


def test_printed_from_a_dark_screen_it_is_ink_on_white(browser: "Browser", file: Path, artifacts: Path) -> None:
    with opened(browser, file, color_scheme="dark", **DESK) as page:
        paper = page.pdf(path=artifacts / "report.pdf", prefer_css_page_size=True)
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(COLOURS)["--paper"].strip() == "#ffffff"
        page.set_viewport_size({"width": 680, "height": 960})  # the width of a printed A4 page
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 680
        page.screenshot(path=artifacts / "report-print.png", full_page=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 13


def test_in_a_sandboxed_frame(browser: "Browser", file: Path, artifacts: Path, tmp_path: Path) -> None:
    """Kubeflow's UI shows HTML so: an origin of its own, no storage, no files beside it, no navigation."""
    inner = markup.escape(file.read_text(encoding="utf-8"))
    outer = tmp_path / "outer.html"
    frame = f'<iframe sandbox="allow-scripts" style="width:100%;height:98vh;border:0" srcdoc="{inner}"></iframe>'
    outer.write_text(f'<!DOCTYPE html><link rel="icon" href="data:,">{frame}', encoding="utf-8")
    with opened(browser, outer, viewport={"width": 1000, "height": 5600}) as page:
        inside = page.frames[1]
        assert inside.locator("h1").inner_text() == "composed_tuned won on validation"
        assert inside.locator("svg.plot").count() == 16
        assert inside.locator("svg image").first.bounding_box()["width"] > 50  # type: ignore[index]  # fails here if None
        page.screenshot(path=artifacts / "report-frame.png")
