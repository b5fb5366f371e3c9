"""The page of a registered version in MLflow's own UI: its card, its figures, what the gate said."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schwarz.report.card import card
from schwarz.stack import Stack
from tests.machine.conftest import MAIN
from tests.pipeline import challengers
from tests.unit import report_results as example
from tests.waiting import LIMIT_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# mlflow 3.17 when it imports its own pyfunc, where it hides the warning from people
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
NAME = "shown"
TAGS = {"gate.promoted": "True", "gate.difference": "0.12", "gate.only_challenger": "60"}


@pytest.fixture
def promoted(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A champion that took another's place at the gate; its version."""
    monkeypatch.chdir(tmp_path)
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    found = example.results()
    words = card("composed_tuned", found["data"], found, {"commit": "f" * 40}, 4)
    for wrong in (100, 40):
        version = challengers.register(tmp_path, stack.tracking.address, NAME, wrong, wrong, words)
        subprocess.run([*MAIN, "promote", NAME], check=True, capture_output=True)
    return version


@pytest.fixture
def page(browser: "Browser", promoted: str, stack: Stack) -> "Iterator[Page]":
    """The version's page, of a person who is logged in; at the end it has asked for nothing beyond this machine."""
    here = stack.tracking.address
    user, password = (os.environ[f"MLFLOW_TRACKING_{word}"] for word in ("USERNAME", "PASSWORD"))
    context = browser.new_context(
        http_credentials={"username": user, "password": password}, viewport={"width": 1400, "height": 1400}
    )
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(1000 * LIMIT_S)
    page.goto(f"{here}/#/models/{NAME}/versions/{promoted}")
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((here, "data:", "blob:"))] == []


def test_a_version_shows_its_card_its_figures_and_what_the_gate_said(page: "Page", artifacts: Path) -> None:
    page.get_by_role("heading", name="Intended use").wait_for()
    headings = page.get_by_role("heading").all_inner_texts()
    assert {"The model", "Data", "Figures, on the test images", "Limits"} <= set(headings)
    row = example.results()["strategies"]["composed_tuned"]
    figure = f"accuracy: {row['test']:.4f} (95%: {row['low']:.4f} to {row['high']:.4f})"
    assert page.get_by_role("listitem").filter(has_text=figure).first.inner_text() == figure
    assert page.get_by_role("listitem").filter(has_text="its worst class").locator("code").count() == 2
    tags = {name: page.get_by_role("row").filter(has_text=name).inner_text().split()[-1] for name in TAGS}
    assert tags == TAGS
    page.screenshot(path=artifacts / "mlflow-version.png", full_page=True)

    page.get_by_role("link", name="m", exact=True).click()  # its logged model, called as its file is
    page.get_by_text("test_accuracy").first.wait_for()
    page.screenshot(path=artifacts / "mlflow-model.png", full_page=True)
    assert page.get_by_text("0.92", exact=True).count() > 0
