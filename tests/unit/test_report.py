"""The report says what results.json says, stands alone, and takes any name and any subset of the strategies."""

import copy
import hashlib
import re
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from schwarz.config import STRATEGIES
from schwarz.report import page
from tests.unit import report_results as example

HOSTILE = """<script>alert("x")</script> & 'it' {{ 7 * 7 }} $a_b$ \x00\x0b\ud800 \u202e"""


def tree(html: str) -> ElementTree.Element:
    """The page as XML, which allows no unclosed, unquoted or unescaped thing."""
    assert html.startswith("<!DOCTYPE html>\n")
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314  # our own page


def text(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def table(html: str, name: str) -> list[list[str]]:
    """The cells of a table by its id, row by row, its head left out."""
    found = tree(html).find(f".//table[@id='{name}']/tbody")
    assert found is not None
    return [[text(cell) for cell in row] for row in found]


def render(**changes: Any) -> str:
    return page(example.results() | changes, *example.samples())


def only(names: set[str]) -> dict[str, Any]:
    """The example with these strategies alone, and what only others need left out."""
    found = example.results()
    found["strategies"] = {name: row for name, row in found["strategies"].items() if name in names}
    found["best"] = found["model"]["strategy"] = max(names, key=lambda name: found["strategies"][name]["validation"])
    found["confusion"] = {name: counts for name, counts in found["confusion"].items() if name in names}
    if names == {"global"}:
        found["locals"] = []
    if not names & {"composed", "composed_tuned"}:
        found["verify"] = None
    found["pairs"] = [pair for pair in found["pairs"] if {pair["a"], pair["b"]} <= names]
    kept = names | {f"local {row['box']}" for row in found["locals"]}
    found["curves"] = {name: values for name, values in found["curves"].items() if name in kept}
    return found


@pytest.fixture(scope="module")
def html() -> str:
    return render()


def test_every_number_of_the_strategies_is_that_of_the_results(html: str) -> None:
    rows = example.results()["strategies"]
    assert [row[0] for row in table(html, "strategies")] == list(STRATEGIES)
    best = [row for row in tree(html).iter("tr") if row.get("class") == "best"]
    assert {text(row)[:14] for row in best} == {"composed_tuned"}
    assert len(best) == 3  # in the tables of strategies, of further figures and of missing boxes
    for name, test, interval, validation, cpu_s, parameters in table(html, "strategies"):
        given = rows[name]
        accuracy, train = re.fullmatch(r"(\S+) \((\S+)\)", test).groups()  # type: ignore[union-attr]  # fails here if not
        low, high = interval.split(" to ")
        shown = {"test": accuracy, "train": train, "low": low, "high": high, "validation": validation}
        assert {key: float(value) for key, value in shown.items()} == pytest.approx(
            {key: given[key] for key in shown}, abs=5.1e-5
        )
        assert float(cpu_s.replace(",", "")) == pytest.approx(given["cpu_s"], abs=0.051)
        assert int(parameters.replace(",", "")) == given["parameters"]


def test_every_number_of_the_local_networks_and_of_the_confusion_matrix(html: str) -> None:
    given = example.results()
    for row, local in zip(table(html, "locals"), given["locals"], strict=True):
        assert row == [
            str(local["box"]),
            f"{local['test']:.4f} ({local['train']:.4f})",
            f"{local['low']:.4f} to {local['high']:.4f}",
            f"{local['validation']:.4f}",
            f"{local['cpu_s']:,.1f}",
        ]
    counts = [[int(cell) for cell in row[1:]] for row in table(html, "confusion")]
    assert counts == given["confusion"]["composed_tuned"]


def test_lineage_and_the_command_that_shows_the_run(html: str) -> None:
    given, shown = example.results(), text(tree(html))
    lineage = given["lineage"]
    for value in (given["data"]["md5"], given["uid"], given["model"]["sha256"], given["model"]["registered"]["uri"]):
        assert value in shown
    for name in ("commit", "config_digest", "tracking_uri", "mlflow_run_id"):
        assert lineage[name] in shown
    for name, version in lineage["versions"].items():
        assert f"{name} {version}" in shown
    assert "mlflow ui --backend-store-uri sqlite:////home/ada/schwarz/runs/mlflow.db" in shown


def test_a_tracking_server_is_named_instead_of_a_command() -> None:
    lineage = example.results()["lineage"] | {"tracking_uri": "https://mlflow.example:5000", "dirty": True}
    shown = text(tree(render(lineage=lineage)))
    assert "mlflow ui" not in shown
    assert "https://mlflow.example:5000" in shown
    assert "with changes not committed" in shown


def test_a_pod_without_mlflow_names_what_there_is() -> None:
    lineage = example.results()["lineage"] | {"tracking_uri": None, "mlflow_run_id": None}
    model = example.results()["model"] | {"registered": None}
    results = {**example.results(), "lineage": lineage, "model": model}
    shown = text(tree(page(results, *example.samples(), in_folder=False)))
    assert "no: this run was told of no MLflow" in shown
    assert "None" not in shown
    assert "track sync" not in shown
    assert "run folder" not in shown
    assert "artifacts of the step report" in shown


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(html: str) -> None:
    for element in tree(html).iter():
        name = element.tag.rpartition("}")[2]
        assert name not in {"script", "iframe", "object", "embed", "form", "a"}
        for key, value in element.attrib.items():
            assert not key.startswith("on")
            if key in {"src", "href", "srcset", "action"}:
                assert value.startswith(("data:", "#")), value
    assert "@import" not in html
    assert set(re.findall(r"url\((.)", html)) == {"#"}
    assert "default-src 'none'" in html


def test_every_picture_has_a_text_alternative_with_its_numbers(html: str) -> None:
    root = tree(html)
    pictures = [element for element in root.iter() if element.tag.rpartition("}")[2] in {"svg", "img"}]
    titles = {element.get("id"): text(element) for element in root.iter() if element.get("id")}
    for picture in pictures:
        told = [titles[name] for name in picture.get("aria-labelledby", "").split()]
        assert picture.get("alt") or picture.get("aria-label") or len([words for words in told if words]) == 2
    # the charts, a curve a network, the map of the local networks, samples
    assert len(pictures) == 2 + 4 + 9 + 1 + 10
    assert "coarse 0.855 (0.839 to 0.870)" in titles["intervals-text"]
    assert "global 0.820 at 14.6, 0.903 at 102.2" in titles["cost-text"]
    assert "coarse 0.860 at 24.6" in titles["cost-text"]


def test_ids_are_unique_and_pictures_take_the_colours_of_the_page(html: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    references = set(re.findall(r'(?:url\(|href=")#([\w-]+)', html))
    assert references  # a chart uses its markers and clips by their ids
    assert references <= set(ids)
    assert "#00000" not in html
    assert "font-family" not in html


def test_any_name_is_shown_as_it_is_and_does_nothing() -> None:
    given = example.results()
    given["data"] |= {"name": HOSTILE, "classes": [HOSTILE, *example.CLASSES[1:]]}
    given["preset"] = given["lineage"]["commit"] = HOSTILE
    html = page(given, *example.samples())
    html.encode("utf-8")
    tree(html)
    assert "<script" not in html
    shown = HOSTILE.replace("\x00\x0b\ud800", "\ufffd" * 3)
    assert shown in [cell.get("title") for cell in tree(html).iter("th")]


@pytest.mark.parametrize(
    "names", [{"global"}, {"average"}, {"coarse", "transfer"}, {"composed", "composed_tuned"}, {"global", "coarse"}]
)
def test_a_subset_of_strategies_leaves_sections_out(names: set[str]) -> None:
    given = only(names)
    html = page(given, *example.samples())
    assert {row[0] for row in table(html, "strategies")} == names
    headings = [text(heading) for heading in tree(html).iter("h2")]
    assert ("Each local network alone" in headings) == bool(given["locals"])
    assert ("Learning curves" in headings) == bool(given["curves"])
    told = text(tree(html).find(".//header"))  # type: ignore[arg-type]  # fails here if there is none
    assert ("undecomposed network, global" in told) == ("global" in names and given["best"] != "global")
    assert ("won on validation" in told) == (len(names) > 1)


def test_what_a_run_lacks_is_left_out() -> None:
    given = example.results()
    given["lineage"]["mlflow_run_id"] = given["model"]["registered"] = None
    given |= {"confusion": {}, "curves": {}, "locals": [], "verify": None, "missing": None}
    given["partition"] = {"shape": [8, 32, 32], "boxes": [[[0, 8], [0, 16], [0, 32]], [[0, 8], [16, 32], [0, 32]]]}
    html = page(given, np.zeros((0, 1, 8, 32, 32), np.uint8), [])
    assert [text(heading) for heading in tree(html).iter("h2")] == [
        "How to read this", "Strategies", "How sure this is", "Each class", "How to serve this model",
        "Where this comes from", "Files, and how to look further",
    ]  # fmt: skip
    shown = text(tree(html))
    assert "MLflow run" not in shown
    assert "not when this page was made" in shown
    assert "schwarz track sync RUN registers the model" in shown
    assert "None" not in shown


@pytest.mark.parametrize(
    ("strategy", "shape", "cut", "pictures"),
    [
        ("coarse", [3, 32, 32], True, True),
        ("global", [1, 28, 28], False, True),
        ("composed", [1, 28, 28, 28], False, False),
    ],
)
def test_of_serving_it_says_what_is_so(strategy: str, shape: list[int], cut: bool, pictures: bool) -> None:
    """A network that sees whole images has no cut in it; and what is no picture is not sent as one."""
    given = example.results()
    given["model"]["strategy"], given["data"]["shape"] = strategy, shape
    shown = text(tree(page(given, *example.samples())))
    assert ("normalisation and the cut into boxes are inside it" in shown) == cut
    assert ("/v1/predict" in shown) == pictures


def test_boxes_are_drawn_where_they_lie() -> None:
    boxes = [[[0, 20], [0, 12]], [[12, 32], [8, 32]]]
    given = example.results()
    given |= {"partition": {"shape": [32, 32], "boxes": boxes}, "locals": given["locals"][:2]}
    root = tree(page(given, *example.samples(channels=3)))
    (first, *_) = (element for element in root.iter("svg") if element.get("aria-label"))
    assert first.get("aria-label") == "T-shirt, cut into 2 boxes"
    drawn = [[int(box.get(key, "")) for key in ("x", "y", "width", "height")] for box in first.iter("rect")]
    assert drawn == [[0, 0, 12, 20], [8, 12, 24, 20]]


def test_many_classes_are_drawn_instead_of_written() -> None:
    K = 60
    given = example.results()
    given["data"]["classes"] = [f"class {k}" for k in range(K)]
    given["measures"]["composed_tuned"]["by_class"] *= 6
    given["locals"] = [row | {"recall": 6 * row["recall"]} for row in given["locals"]]
    counts = np.diag(np.full(K, 30))
    counts[7, 11] = 9
    html = page(given | {"confusion": {"composed_tuned": counts.tolist()}}, *example.samples())
    assert tree(html).find(".//table[@id='confusion']") is None
    assert tree(html).find(".//img[@class='raster']") is not None
    assert "class 7 taken for class 11 (9)." in text(tree(html))


def test_same_input_same_bytes_whatever_matplotlib_is_set_to(html: str) -> None:
    import matplotlib

    with matplotlib.rc_context({"axes.linewidth": 9, "svg.fonttype": "path", "lines.linewidth": 9}):
        again = render()
    assert hashlib.sha256(again.encode()).hexdigest() == hashlib.sha256(html.encode()).hexdigest()


def test_the_input_is_left_alone() -> None:
    given = example.results()
    kept = copy.deepcopy(given)
    page(given, *example.samples())
    assert given == kept


def test_small(html: str) -> None:
    assert len(html.encode()) < 400_000


def test_quick() -> None:
    """Within 3 CPU-seconds where Python adds up 5 million squares in 0.2: a busy machine inflates even CPU time, and a
    slow one takes longer, for both."""
    costs = []
    while not costs or (min(costs) > 15 and len(costs) < 4):
        costs.append(cpu_s(render) / cpu_s(lambda: sum(i * i for i in range(5_000_000))))
    assert min(costs) < 15


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_one_epoch_and_perfect_accuracy_are_drawn() -> None:
    given = only({"global", "average"})
    for row in (*given["strategies"].values(), *given["locals"]):
        row |= {"test": 1.0, "low": 1.0, "high": 1.0}
    given["curves"] = {
        name: {key: series[:1] for key, series in values.items()} for name, values in given["curves"].items()
    }
    shown = text(tree(page(given, *example.samples())))
    assert "average 1.000 (1.000 to 1.000)" in shown
    assert len(re.findall("Epochs 1 to 1: train loss", shown)) == len(given["curves"]) == 5
