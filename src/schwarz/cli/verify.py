"""`verify`: what the theory of document 3 says of a composed network, checked on images."""

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cases import Case, short_of
from schwarz.cli import subjects
from schwarz.cli.grammar import AtLeast, Existing, Target, Word, writing
from schwarz.cli.options import ConfiguredCommand, Words, chosen
from schwarz.errors import SchwarzError, WrongInput

if TYPE_CHECKING:
    from schwarz.cli.subjects import Subject
    from schwarz.verdict import Verdict

IMAGES = 256
DRAWN = 2  # images in the picture
REQUIRED = (Case.EXACT.value, Case.FIELD.value)


@click.command(
    cls=ConfiguredCommand,
    examples=(
        "schwarz verify tiny --partition.overlap 4",
        "schwarz verify tiny --network.family lenet5 --require exact --json",
        "schwarz verify tiny/1 --picture features.png",
    ),
)
@click.argument("name", required=False, metavar="RUN|PRESET")
@click.option("--config", "file", type=Existing(), metavar="FILE", help="TOML file, as `schwarz show` prints it")
@click.option("--images", type=AtLeast(1), default=IMAGES, show_default=True, metavar="N", help="at most so many")
@click.option("--require", type=Word(REQUIRED), help="exit with status 1 where the case is less")
@click.option("--picture", type=Target(".png", ".svg"), metavar="FILE", help="also draw feature maps: .png or .svg")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def verify(
    name: str | None, file: Path | None, changes: Words, images: int, require: str | None, picture: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Check what a composed network keeps of its local networks.

    Of a finished RUN, the trained networks on its validation images; of a PRESET, networks with random weights on
    training images. Theorem 2.1 of document 3 layer by layer, and Theorem 2.2. Exit status 1 where the networks do not
    keep what their case claims.
    """
    subject = _subject(name, file, changes, images)
    import torch  # not before all that can be refused was

    torch.set_num_threads(1)  # as training is
    if picture is not None:
        _draw(picture, subject)
    from schwarz.steps.compose import verified

    verdict = verified(subject.blueprint, subject.network, subject.parts, subject.images)
    path = picture and picture.absolute()
    if as_json:
        print(json.dumps({**subject.about, "picture": path and str(path), **verdict.to_json()}, indent=1))
    else:
        print(*subject.lines, "", verdict, *_nearer(subject, verdict), *([f"picture {path}"] if path else []), sep="\n")
    _judge(verdict, require)


def _subject(name: str | None, file: Path | None, changes: Words, images: int) -> "Subject":
    """What is meant: a preset or a file, else a run."""
    from schwarz.presets import PRESETS

    if name is None and file is None:
        raise WrongInput("RUN or PRESET is missing: it comes first. `schwarz runs` and `schwarz presets` list them.")
    if name is None or name in PRESETS or name.endswith(".toml"):
        return subjects.fresh(chosen(name, file, changes), images)
    return subjects.trained(subjects.named(name, ["config"] if file else changes), images)


def _nearer(subject: "Subject", verdict: "Verdict") -> list[str]:
    """The flags that lead to an exact case with the boxes as they are; none where these are too small or shifted."""
    from schwarz.families import FAMILIES
    from schwarz.shrinking import least

    network, partition = subject.blueprint.network, subject.blueprint.partition
    wanted = {"padding": "valid", "head": "flatten"}
    flags = [f"--network.{name} {value}" for name, value in wanted.items() if network.choices.get(name, value) != value]
    windows = FAMILIES[network.family].windows("valid")
    large = all(min(box.shape) >= least(windows) for box in partition)
    aligned = not partition.misaligned(prod(window.stride for window in windows))
    return (
        ["", f"exact with {' '.join(flags)}"] if verdict.case is not Case.EXACT and flags and large and aligned else []
    )


def _judge(verdict: "Verdict", require: str | None) -> None:
    """Refuse, once all is told, what does not keep what it claims, or claims too little."""
    if not verdict.holds:
        raise SchwarzError(f"the case is {verdict.case}, but the networks do not keep what it claims: see above.")
    if require and (cause := short_of(Case(require), verdict.causes)):
        raise SchwarzError(f"the case is {verdict.case}, not {require}: {cause}.")


def _draw(path: Path, subject: "Subject") -> None:
    """Figure 3.7 on images of different classes."""
    import numpy as np

    from schwarz.feature_maps import feature_maps
    from schwarz.images import pad
    from schwarz.report.features import write
    from schwarz.steps.compose import seen

    blueprint = subject.blueprint
    if len(blueprint.partition.shape) != 2:
        raise WrongInput("--picture draws feature maps of images with two axes, and these have another number.")
    images = subject.images.x[np.unique(subject.images.y, return_index=True)[1][:DRAWN]]
    pairs = feature_maps(subject.network, subject.parts, blueprint.partition, seen(blueprint, images))
    if not pairs:
        raise WrongInput(f"--picture: {blueprint.network.family} has no feature maps to draw.")
    with writing(path):
        write(path, pairs, pad(images, blueprint.pad))
