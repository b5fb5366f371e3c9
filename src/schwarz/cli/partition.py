"""`partition`: how a preset cuts its images, as a table and as a picture."""

import json
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schwarz.cli.columns import by, columns
from schwarz.cli.grammar import Target, writing
from schwarz.cli.options import ConfiguredCommand, Words, chosen, configured

if TYPE_CHECKING:
    import numpy as np

    from schwarz.config import Config
    from schwarz.data import DataInfo
    from schwarz.partition import Partition

SAMPLES = 4  # images in the picture, each of another class
NAMED = 4  # starts that are told


@dataclass(frozen=True)
class Facts:
    """What there is to know of a partition; shares are of the image's pixels."""

    shape: tuple[int, ...]
    boxes: list[dict[str, Any]]
    overlap: float  # share of the pixels in several boxes
    most: int  # boxes that hold one pixel
    complete: bool
    covers: bool
    family: str
    stride: int  # of that network in all
    misaligned: list[dict[str, int]]  # starts that it does not divide: composition is then no identity


@click.command(
    cls=ConfiguredCommand,
    examples=(
        "schwarz partition quickstart",
        "schwarz partition tiny --partition.overlap 4 -o boxes.png",
        "schwarz partition tiny --partition.boxes 0:16,0:32 12:32,4:28 --json",
    ),
)
@configured
@click.option("-o", "--output", type=Target(".png"), metavar="PNG", help="also draw the boxes on training images")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def partition(preset: str | None, file: Path | None, changes: Words, output: Path | None, as_json: bool) -> None:
    """Print the boxes that images are cut into.

    The picture shows the first image of each of the first classes; of volumes, slices through their middle.
    """
    from schwarz.checks import cut
    from schwarz.data import describe
    from schwarz.runs import project_root

    config = chosen(preset, file, changes)
    info = describe(project_root(), config.data.name)
    boxes = cut(config, info)
    facts = _facts(config, boxes)
    if output is not None:
        _draw(output, config, info, boxes, facts)
    if as_json:
        print(json.dumps(asdict(facts) | {"picture": str(output.absolute()) if output else None}, indent=1))
    else:
        print(f"{config.preset}: {config.data.name} cut {config.partition.words}", *_table(facts), sep="\n")
        if output is not None:
            print(f"picture {output.absolute()}")


def _facts(config: "Config", boxes: "Partition") -> Facts:
    from schwarz.families import FAMILIES

    family = FAMILIES[config.network.family]
    stride = prod(window.stride for window in family.windows(config.network.choices.get("padding", "same")))
    misaligned = [{"box": k, "axis": a, "start": start} for k, a, start in boxes.misaligned(stride)]
    multiplicity, pixels = boxes.multiplicity, prod(boxes.shape)
    table = [
        {"box": k, "spans": box.spans, "size": box.shape, "share": prod(box.shape) / pixels}
        for k, box in enumerate(boxes)
    ]
    overlap = float((multiplicity > 1).mean())
    most, complete, covers = int(multiplicity.max()), boxes.complete, boxes.covers
    return Facts(boxes.shape, table, overlap, most, complete, covers, family.name, stride, misaligned)


def _table(facts: Facts) -> list[str]:
    """The boxes in lines, and the sum of it."""
    rows = [("box", *(f"axis {a}" for a in range(len(facts.shape))), "size", "share")]
    for box in facts.boxes:
        spans = (f"{start}:{stop}" for start, stop in box["spans"])
        rows.append((str(box["box"]), *spans, by(box["size"]), f"{box['share']:.1%}"))
    return [*columns(rows, 0), *_words(facts)]


def _words(facts: Facts) -> list[str]:
    """What holds of all boxes together."""
    several = f"{facts.overlap:.1%} of its pixels lie in several boxes, at most {facts.most}"
    named = [f"box {each['box']} at {each['start']} on axis {each['axis']}" for each in facts.misaligned[:NAMED]]
    shifted = f"no, {', '.join(named)}{', ...' if len(facts.misaligned) > NAMED else ''}" if named else "yes"
    apart = "no two boxes overlap" if facts.most == 1 else several
    return [
        f"{len(facts.boxes)} box{'es' if len(facts.boxes) > 1 else ''} on {by(facts.shape)} pixels: {apart}",
        f"complete (each pixel in exactly one box): {_yes(facts.complete)}; "
        f"covers (each in some box): {_yes(facts.covers)}",
        f"starts are multiples of {facts.stride}, the stride of {facts.family}: {shifted}",
    ]


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _draw(output: Path, config: "Config", info: "DataInfo", boxes: "Partition", facts: Facts) -> None:
    from schwarz.images import pad
    from schwarz.report.boxes import draw
    from schwarz.storage import fetch

    fetch(info)
    images, names = _samples(info)
    title = [f"{config.preset}: {info.name} cut {config.partition.words}", *_words(facts)[:2]]
    with writing(output):
        draw(output, boxes, pad(images, config.data.pad), names, title)


def _samples(info: "DataInfo") -> "tuple[np.ndarray, list[str]]":
    """The first training image of each of the first classes that have one, and the names of those classes."""
    import numpy as np

    from schwarz.data import shards

    found: dict[int, np.ndarray] = {}
    for x, y in shards(info.folder, "train"):
        for label in sorted({*range(min(SAMPLES, len(info.classes)))} - set(found)):
            if (y == label).any():
                found[label] = x[int((y == label).argmax())]
        if len(found) == min(SAMPLES, len(info.classes)):
            break
    return np.stack([found[label] for label in sorted(found)]), [info.classes[label] for label in sorted(found)]
