"""The model card: what a registered version is for, what it was made of, how good it is, and where that ends."""

from collections.abc import Mapping
from typing import Any

from schwarz.config import Strategy
from schwarz.report.document import MEANING
from schwarz.tracking.summary import SAME_IMAGES

FEW = 8
"""Classes that are named one by one."""
EIGHT_BITS = (
    "This version computes its convolutions in whole numbers of 8 bits: it recognises **{:.4f}** of the test images. "
    "All other figures are those of the same network in float32."
)

LOST = "- Without one of its boxes it is right, in the mean over them, on {:.3f} of {:,} test images."


def card(
    strategy: Strategy, about: Mapping[str, Any], found: Mapping[str, Any], origin: Mapping[str, Any], boxes: int,
    int8: float | None = None,
) -> str:  # fmt: skip
    """Markdown, from what `prepare_data` (data.json), `evaluate` (evaluation.json) and `begin` (lineage.json) left.
    `int8`: the test accuracy, where the version is the graph in 8 bits."""
    figures, by_class = found["strategies"][strategy], found["measures"][strategy]["by_class"]
    rows = [row for row in zip(about["classes"], by_class, strict=True) if row[1]["images"]]
    rows.sort(key=lambda row: row[1]["recall"])
    missing = found["missing"]
    classes = about["classes"]
    lines = [
        "## Intended use",
        f"Names which of {len(classes)} classes an image of {_by(about['shape'])} shows: {_some(classes)}. It takes "
        "whole raw images, uint8, and gives a probability for every class. An image of anything else gets one of these "
        "classes too.",
        "",
        "## The model",
        f"`{strategy}`: {MEANING[strategy]}{_cut(strategy, boxes)} {figures['parameters']:,} parameters, "
        f"{figures['flops'] / 1e6:,.1f} million operations for an image.",
        *([] if int8 is None else ["", EIGHT_BITS.format(int8)]),
        "",
        "## Data",
        f"`{about['name']}`, md5 `{about['md5']}`: {about['train']:,} training, {about['validation']:,} validation and "
        f"{about['test']:,} test images. Code: commit `{origin['commit']}`.",
        "",
        "## Figures, on the test images",
        _figure("accuracy", figures, "test", "low", "high"),
        _figure("F1, mean over the classes", figures, "f1", "f1_low", "f1_high"),
        f"- calibration error: **{figures['ece']:.4f}**",
        f"- accuracy on {found['train_images']:,} training images: {figures['train']:.4f}",
        "",
        "## Limits",
        f"- It recognises {rows[0][1]['recall']:.3f} of the images of `{rows[0][0]}`, its worst class, and "
        f"{rows[-1][1]['recall']:.3f} of `{rows[-1][0]}`, its best.",
        *([LOST.format(missing["strategies"][strategy][1]["mean"], missing["images"])] if missing else []),
        *([f"- {SAME_IMAGES}"] if about["validation_is_test"] else []),
        "- The intervals speak of other images like these, not of another seed, camera or place.",
    ]
    return "\n".join(lines)


def _figure(name: str, figures: Mapping[str, Any], value: str, low: str, high: str) -> str:
    """A line of a list: MLflow's pages draw tables without any space between their cells."""
    return f"- {name}: **{figures[value]:.4f}** (95%: {figures[low]:.4f} to {figures[high]:.4f})"


def _cut(strategy: Strategy, boxes: int) -> str:
    """Also true of a composed network, which itself sees whole images."""
    return f" Each of its local networks saw one of {boxes} boxes." if strategy != "global" and boxes > 1 else ""


def _by(shape: list[int]) -> str:
    return " x ".join(map(str, shape))


def _some(classes: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in classes[:FEW])
    return shown if len(classes) <= FEW else f"{shown} and {len(classes) - FEW} more"
