"""The page of a served model in a real browser: an image chosen, boxes switched off, all by keyboard too."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from schwarz.publishing import publish
from schwarz.serving.pictures import png
from schwarz.storage import open_store
from tests.pipeline.graphs import divided, model
from tests.unit.serving.served import Served, served
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
DESK: dict[str, Any] = {"viewport": {"width": 1200, "height": 900}}
SPLIT: Any = {"name": "split.png", "mimeType": "image/png", "buffer": png(np.array([[[9, 0], [0, 8]]], np.uint8))}
"""The upper box says left, the lower one right, a little less surely."""
TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(divided(tmp_path_factory.mktemp("model") / "halves.onnx")) as one:
        yield one


@contextmanager
def opened(browser: "Browser", server: Served, complaints: tuple[str, ...] = (), **how: Any) -> "Iterator[Page]":
    """The page; at the end it has asked this server alone, and complained of nothing else than is named."""
    context = browser.new_context(**how)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    home = f"http://{server.host}:{server.port}/"
    page.goto(home)
    yield page
    context.close()
    assert [text for text in said if not any(known in text for known in complaints)] == []
    assert [url for url in asked if not url.startswith((home, "data:", "blob:"))] == []


def decided(page: "Page", class_: str) -> None:
    page.get_by_text(class_, exact=True).and_(page.locator("#decision b")).wait_for()


@pytest.mark.parametrize(
    ("name", "how"),
    [("light", {**DESK}), ("dark", {**DESK, "color_scheme": "dark"}), ("phone", PHONE)],
)
def test_it_begins_with_a_sample(
    browser: "Browser", server: Served, artifacts: Path, name: str, how: dict[str, Any]
) -> None:
    with opened(browser, server, **how) as page:
        decided(page, "left")
        assert page.locator("h1").inner_text() == "halves"
        assert page.locator("#compared").inner_text().strip() == "The sample is labelled left."
        assert page.evaluate("() => document.documentElement.scrollWidth") <= how["viewport"]["width"]
        page.screenshot(path=artifacts / f"try-{name}.png", full_page=True)


def test_an_image_is_chosen_and_its_boxes_switched_off(browser: "Browser", server: Served, artifacts: Path) -> None:
    with opened(browser, server, **DESK) as page:
        decided(page, "left")
        page.set_input_files("#file", SPLIT)
        page.get_by_text("1 of 2 boxes say left. The average of all: left 50 %").wait_for()
        votes = page.locator("#boxes button")
        assert votes.all_inner_texts() == ["left 100 %", "right 100 %"]
        votes.nth(0).click()
        decided(page, "right")
        assert page.locator("#compared").inner_text() == "With all boxes: left 50 %."
        assert votes.nth(0).get_attribute("aria-pressed") == "false"
        first = page.locator("#votes tbody tr").nth(0).inner_text().split("\t")
        assert first == ["right", "0.50", "1.00", "0.75", "0.75"]  # a box that is off says nothing for certain
        page.screenshot(path=artifacts / "try-off.png", full_page=True)
        page.get_by_text("All boxes on").click()
        decided(page, "left")
        assert votes.nth(0).get_attribute("aria-pressed") == "true"


def test_it_is_used_by_keyboard_alone(browser: "Browser", server: Served) -> None:
    with opened(browser, server, **DESK) as page:
        decided(page, "left")

        def reach(selector: str) -> None:
            for _ in range(20):
                page.keyboard.press("Tab")
                if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                    return
            pytest.fail(f"{selector} cannot be reached")

        reach("#samples button:nth-child(2)")
        page.keyboard.press("Enter")
        decided(page, "right")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("() => document.activeElement.id") == "file"
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Box 1: right 100 %"
        page.keyboard.press("Space")
        page.locator("#boxes button[aria-pressed=false]").wait_for()
        assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Box 1"


def test_an_image_is_dropped(browser: "Browser", server: Served) -> None:
    with opened(browser, server, **DESK) as page:
        decided(page, "left")
        page.evaluate(
            """async bytes => {
                const given = new DataTransfer();
                given.items.add(new File([Uint8Array.from(bytes)], "split.png", {type: "image/png"}));
                document.dispatchEvent(new DragEvent("drop", {dataTransfer: given, bubbles: true, cancelable: true}));
            }""",
            list(SPLIT["buffer"]),
        )
        page.get_by_text("1 of 2 boxes say left").wait_for()


def test_what_is_no_image_is_told_and_the_last_one_stays(browser: "Browser", server: Served) -> None:
    with opened(browser, server, **DESK) as page:
        decided(page, "left")
        page.set_input_files("#file", {"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"})
        page.get_by_role("alert").get_by_text("This file is no image that can be read.").wait_for()
        page.locator("#samples button").nth(1).click()
        decided(page, "right")
        assert page.locator("#fault").is_hidden()


def test_what_the_server_refuses_is_told(browser: "Browser", server: Served) -> None:
    """A browser reads a GIF, the server does not."""
    with opened(browser, server, ("415",), **DESK) as page:
        decided(page, "left")
        gif = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
        page.set_input_files("#file", {"name": "dot.gif", "mimeType": "image/gif", "buffer": gif})
        page.get_by_role("alert").get_by_text("the body is no PNG and no JPEG").wait_for()
        page.locator("#boxes button").nth(1).click()  # of the image that is still shown
        page.locator("#boxes button[aria-pressed=false]").wait_for()
        assert page.locator("#compared").inner_text() == "The sample is labelled left. With all boxes: left 100 %."
        assert page.locator("#fault").is_hidden()


def test_a_whole_model_has_no_votes(browser: "Browser", tmp_path: Path) -> None:
    """Boxes can be switched off all the same."""
    with served(divided(tmp_path / "whole.onnx", votes=False)) as one, opened(browser, one, **DESK) as page:
        decided(page, "left")
        assert page.locator("#votes").is_hidden()
        assert page.locator("#boxes button").all_inner_texts() == ["0", "1"]


def test_a_model_without_pictures_is_told(browser: "Browser", tmp_path: Path) -> None:
    with served(model(tmp_path / "four.onnx")) as one, opened(browser, one, ("404",), **DESK) as page:
        page.get_by_role("alert").get_by_text("model 'four' names neither classes nor boxes").wait_for()


def test_of_several_models_one_is_chosen(browser: "Browser", tmp_path: Path) -> None:
    """The image stays where it is no sample."""
    second = str(divided(tmp_path / "whole.onnx", votes=False))
    with served(divided(tmp_path / "halves.onnx"), second) as one, opened(browser, one, **DESK) as page:
        decided(page, "left")
        page.set_input_files("#file", SPLIT)
        page.get_by_text("1 of 2 boxes say left").wait_for()
        page.get_by_label("Model").select_option("whole")
        page.get_by_role("heading", name="whole").wait_for()
        page.locator("#decision").get_by_text("50 %").wait_for()
        assert page.locator("#votes").is_hidden()


def test_a_token_is_asked_for(browser: "Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHWARZ_SERVE_TOKEN", TOKEN)
    with served(divided(tmp_path / "halves.onnx")) as one, opened(browser, one, ("401",), **DESK) as page:
        for token in ("another-token-than-it", "a token \u201cquoted\u201d", TOKEN):
            page.get_by_label("This server wants its token").fill(token)
            page.keyboard.press("Enter")
            if token != TOKEN:
                page.get_by_role("alert").get_by_text("This is not its token.").wait_for()
        decided(page, "left")
        assert page.evaluate("() => document.activeElement.id") == "file"
        assert page.locator("#guard").is_hidden()
        assert 'curl -H "Authorization: Bearer $SCHWARZ_SERVE_TOKEN" --data' in page.locator("#command").inner_text()
        assert TOKEN not in page.content()


def test_a_new_champion_is_told(browser: "Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHWARZ_STORE", str(tmp_path / "store"))
    store, file = open_store(tmp_path / "store"), divided(tmp_path / "halves.onnx")
    publish(store, "halves", "1", file)
    with served("halves@champion") as one, opened(browser, one, **DESK) as page:
        decided(page, "left")
        assert page.get_by_role("status").inner_text().startswith("Version 1, average: ")
        publish(store, "halves", "2", file)
        until(lambda: one.ask("GET", "/v2/models/halves")[1]["versions"] == ["2"])
        page.locator("#boxes button").nth(0).click()
        page.get_by_role("status").get_by_text("It has just taken the place of version 1.").wait_for()


def test_a_server_that_has_gone_is_told(browser: "Browser", tmp_path: Path) -> None:
    with served(divided(tmp_path / "halves.onnx")) as one, opened(browser, one, ("ERR_CONNECTION",), **DESK) as page:
        decided(page, "left")
        one.process.kill()
        one.process.wait()
        page.locator("#boxes button").nth(0).click()
        page.get_by_role("alert").get_by_text("The server does not answer. Is it still running?").wait_for()
