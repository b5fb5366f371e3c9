"""The page: what is said of a run. Its words and their order are in page.html.j2, its looks in page.css."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from schwarz.config import STRATEGIES, Strategy
from schwarz.report import activation, charts, composition, measures, missing, mistakes, pixels
from schwarz.report.courses import Curve, Floor, follow, level
from schwarz.tracking.summary import SAME_IMAGES, always

if TYPE_CHECKING:
    from jinja2 import Template

MEANING: dict[Strategy, str] = {
    "global": "One network that sees whole images: what every division is measured against.",
    "average": "The mean of the local networks' class probabilities.",
    "majority": "Each local network has one vote and most votes win; the surest voter decides a tie.",
    "product": "The sum of the local networks' logits, which multiplies their probabilities.",
    "coarse": "A small dense net learns the class from all local probabilities.",
    "coherent": "Local networks and coarse net trained together as one model, from random weights.",
    "transfer": "The same model as coherent, started from the trained local networks.",
    "composed": "One global network put together from the weights of the local ones, not trained further.",
    "composed_tuned": "The composed network after some more epochs on whole images.",
}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # no HTML may hold these
_WRITTEN = 20  # a confusion matrix of more classes is drawn, not written
_MISTAKES = 8


class Cut(NamedTuple):
    """A picture as a data URI, its size, and boxes over it as (x, y, width, height) in the same pixels."""

    uri: str
    width: int
    height: int
    boxes: list[tuple[int, int, int, int]]


class Mistake(NamedTuple):
    """`images` test images of class `true` were taken for class `predicted`."""

    true: str
    predicted: str
    images: int


class Confusion(NamedTuple):
    """Counts [true][predicted], how strongly each is coloured, the same as a picture, and the commonest mistakes."""

    counts: list[list[int]]
    depth: list[list[float]]
    picture: str | None
    mistakes: list[Mistake]


def page(
    results: Mapping[str, Any],
    samples: np.ndarray,
    sample_labels: Sequence[int],
    features: str | None = None,
    looks: activation.Looks | None = None,
    mistaken: np.ndarray | None = None,
    *,
    in_folder: bool = True,
) -> str:
    """One self-contained HTML page about a run: no script, no request, the same bytes for the same input.

    `results` is results.json; `samples` are uint8 [n, C, H, W], padded to the shape of the partition, and
    `sample_labels` their classes, `features` Figure 3.7 as `schwarz.report.features.svg` draws it, `looks` what Figure
    3.8 shows, `mistaken` the images of results["mistakes"], padded too; `in_folder` whether the page lies in a run
    folder or is what a pod leaves. What a run lacks (no `global`, no local networks, nothing composed) is left out.
    """
    strategies = {name: results["strategies"][name] for name in STRATEGIES if name in results["strategies"]}
    best = results["best"]
    rival = _rival(strategies, best)
    shown, measured, lost = [name for name in (best, rival) if name], results["measures"], results["missing"]
    floor = Floor.of(results)
    tied = _tied(strategies, best)
    html = _template().render(
        results,
        tied=tied,
        smaller=all(strategies[name]["parameters"] > strategies[best]["parameters"] for name in tied),
        floor=floor,
        strategies=strategies,
        meaning=MEANING,
        rival=rival,
        always=always(results),
        same_images=SAME_IMAGES if results["data"]["validation_is_test"] else "",
        intervals=charts.intervals(strategies, best, floor),
        cost=charts.cost(follow(strategies, results["curves"]), best),
        level=level(strategies, results["curves"]),
        against=measures.against(results["pairs"], best),
        lead=rival and measures.pair(results["pairs"], best, rival),
        price=measures.pair(results["pairs"], "composed", "product"),
        printed=measures.printed(results),
        reliability=measures.reliability(measured, shown, best),
        roc=measures.roc(measured, strategies, shown, best),
        operations=measures.operations(strategies, best),
        decline=lost and missing.decline(lost, best, floor),
        shown_classes=_WRITTEN,
        samples=_samples(results, samples, sample_labels),
        local_map=_local_map(results),
        learning=_learning(results["curves"]),
        confusion=_confusion(results["data"]["classes"], results["confusion"].get(best)),
        composition=composition,
        features=features,
        looks=_looks(results, looks),
        mistakes=_mistakes(results, mistaken),
        serve=serving(results, in_folder=in_folder),
        ask=asking(results),
        int8=eight_bits(results),
        look=_look(results["lineage"]["tracking_uri"]),
        in_folder=in_folder,
    )
    return _UNPRINTABLE.sub("\ufffd", html)


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("schwarz.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = lambda value: f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")
    environment.filters["chance"] = lambda p: "< 0.0001" if p < 1e-4 else f"{p:.4f}"
    environment.filters["equals"] = lambda p: "< 0.0001" if p < 1e-4 else f"= {p:.4f}"
    environment.filters["accuracy"] = "{:.4f}".format
    environment.filters["bound"] = "{:.3f}".format
    environment.filters["seconds"] = "{:,.1f}".format
    environment.filters["count"] = "{:,}".format
    return environment.get_template("page.html.j2")


def _rival(strategies: Mapping[str, Mapping[str, Any]], best: str) -> str | None:
    """Whom the winner is measured against: `global`, or when that won or is absent, the next best on validation."""
    others = [name for name in strategies if name != best]
    if "global" in others:
        return "global"
    return max(others, key=lambda name: strategies[name]["validation"], default=None)


def _tied(strategies: Mapping[str, Mapping[str, Any]], best: str) -> list[str]:
    """Who is right on as many validation images as the winner: of these the smallest was taken."""
    reached = strategies[best]["validation"]
    return [name for name in strategies if name != best and strategies[name]["validation"] == reached]


def _boxes(results: Mapping[str, Any]) -> list[pixels.Box]:
    """The boxes of an image; those of features or volumes, with one axis or three, have no picture."""
    partition = results["partition"]
    return partition["boxes"] if len(partition["shape"]) == 2 else []


def _cut(uri: str, shape: Sequence[int], boxes: Sequence[pixels.Box]) -> Cut:
    height, width = shape
    return Cut(uri, width, height, pixels.rectangles(boxes))


def _samples(results: Mapping[str, Any], images: np.ndarray, labels: Sequence[int]) -> list[tuple[str, Cut]]:
    """Class name and picture of every sample, cut into the boxes of the partition."""
    boxes, classes = _boxes(results), results["data"]["classes"]
    if not boxes:
        return []
    return [
        (classes[label], _cut(pixels.photo(image), image.shape[1:], boxes))
        for image, label in zip(images, labels, strict=True)
    ]


def _local_map(results: Mapping[str, Any]) -> Cut | None:
    """Every local network's accuracy as colour over its box, the best the strongest; where boxes overlap, the mean."""
    boxes, rows = _boxes(results), results["locals"]
    if not boxes or not rows:
        return None
    found = np.array([row["test"] for row in rows])
    depth = 0.12 + 0.48 * (found - found.min()) / max(float(np.ptp(found)), 1e-9)
    shape, held = results["partition"]["shape"], [boxes[row["box"]] for row in rows]
    return _cut(pixels.heat(pixels.coverage(shape, held, depth.tolist())), shape, held)


def _looks(results: Mapping[str, Any], looks: activation.Looks | None) -> list[activation.Row]:
    return activation.rows(looks, results["data"]["classes"], results["partition"]["boxes"]) if looks else []


def _mistakes(results: Mapping[str, Any], images: np.ndarray | None) -> list[mistakes.Picture]:
    if images is None:
        return []
    boxes = results["partition"]["boxes"]
    return mistakes.pictures(results["mistakes"], images, results["data"]["classes"], boxes)


def serving(results: Mapping[str, Any], *, in_folder: bool) -> str:
    """The command that serves the model."""
    file = results["model"]["file"] if in_folder else results["model"]["file"].rpartition("/")[2]
    return f"schwarz serve {shlex.quote(file)} --name {shlex.quote(results['preset'])}"


def eight_bits(results: Mapping[str, Any]) -> str | None:
    """What became of the model in whole numbers of 8 bits, where one was asked for."""
    model = results["model"]
    if (found := model["int8"]) is None:
        return None
    figures = f"{found['accuracy']:.3f}, in float32 {found['float32']:.3f}"
    if results["strategies"][model["strategy"]]["learned_from_validation"]:
        figures += " (its coarse net learned from these images: only the difference of the two says something)"
    told = f"in whole numbers of 8 bits its validation accuracy is {figures}"
    if found["file"] is None:
        return f"Not kept: {told}, and at most {found['margin']:g} less was allowed."
    registered = model["registered"] and model["registered"]["file"] == found["file"]
    which = ", and what is registered" if registered else ""
    return f"{found['file']}, beside it{which}, is smaller and on many processors quicker: {told}."


def asking(results: Mapping[str, Any]) -> str:
    """A request, as a shell takes it."""
    shape = [1, *results["data"]["shape"]]
    zeros = f"$(python3 -c 'print([0] * {math.prod(shape)})')"
    tensor = f'{{"name": "images", "datatype": "UINT8", "shape": {shape}, "data": {zeros}}}'
    body = '{"inputs": [' + tensor + "]}"
    escaped = body.replace('"', '\\"')
    return f'curl -s localhost:8080/v2/models/{results["preset"]}/infer -d "{escaped}"'


def _learning(curves: Mapping[str, Curve]) -> list[str]:
    """One picture a network: the local networks by number, then the others in the order of the strategies."""
    if not curves:
        return []
    order = [name for name in (*(f"local {k}" for k in range(len(curves))), *STRATEGIES) if name in curves]
    scale = charts.limits(curves)
    return [charts.curve(number, name, curves[name], scale) for number, name in enumerate(order)]


def _confusion(classes: Sequence[str], counts: list[list[int]] | None) -> Confusion | None:
    if counts is None:
        return None
    matrix = np.array(counts)
    depth = np.sqrt(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))  # the root lets rare mistakes show
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MISTAKES]
    pairs = [divmod(int(place), len(classes)) for place in order]
    mistakes = [Mistake(classes[i], classes[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]
    picture = pixels.heat(depth) if len(classes) > _WRITTEN else None
    return Confusion(counts, depth.tolist(), picture, mistakes)


def _look(tracking_uri: str | None) -> str | None:
    """The command that shows the run in MLflow; None where a server already does, or nothing was told to any."""
    if not tracking_uri or tracking_uri.startswith(("http://", "https://")):
        return None
    return f"mlflow ui --backend-store-uri {shlex.quote(tracking_uri)}"
