"""`verify`: what the theory of document 3 says of a composed network, checked on images."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schwarz.cli.grammar import Existing, Target, Word
from schwarz.cli.options import ConfiguredCommand, Words, chosen
from schwarz.errors import DONE, SchwarzError, WrongInput, nearest

if TYPE_CHECKING:
    from torch import nn

    from schwarz.blueprint import Blueprint
    from schwarz.config import Config
    from schwarz.images import Labelled
    from schwarz.runs import RunFolder
    from schwarz.verdict import Verdict

IMAGES = 256
CASES = ("exact", "field", "initialisation")  # a later one holds less
DRAWN = 2  # images in the picture


class Picture(Target):
    """A PNG or SVG to be written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = super().convert(value, param, ctx)
        if path.suffix.lower() not in (".png", ".svg"):
            self.fail(f"{value}: what is written is .png or .svg: end its name in one of them.", param, ctx)
        return path


@dataclass(frozen=True)
class Subject:
    """What is verified, and on which images."""

    about: dict[str, Any]
    lines: tuple[str, str]
    """The same in words."""
    blueprint: "Blueprint"
    network: "nn.Module"
    parts: "list[nn.Module]"
    images: "Labelled"


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
@click.option(
    "--images", type=click.IntRange(1), default=IMAGES, show_default=True, metavar="N", help="at most so many"
)
@click.option("--require", type=Word(CASES[:2]), help="exit with status 1 where the case is less")
@click.option("--picture", type=Picture(), metavar="FILE", help="also draw feature maps, to a .png or .svg")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def verify(
    name: str | None, file: Path | None, changes: Words, images: int, require: str | None, picture: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Check what a composed network keeps of its local networks.

    Of a finished RUN, the trained networks on its validation images; of a PRESET, networks with random weights on
    training images. Theorem 2.1 of document 3 layer by layer, and Theorem 2.2. Exit status 1 where the networks do not
    keep what their case claims.
    """
    from schwarz.presets import PRESETS

    if name is None and file is None:
        raise WrongInput("RUN or PRESET is missing: it comes first. `schwarz runs` and `schwarz presets` list them.")
    if file is not None or name in PRESETS or str(name).endswith(".toml"):
        subject = _fresh(chosen(name, file, changes), images)
    else:
        subject = _trained(_run(str(name), changes), images)
    if picture is not None:
        _draw(picture, subject)
    from schwarz.steps.compose import verified

    verdict = verified(subject.blueprint, subject.network, subject.parts, subject.images)
    if as_json:
        print(
            json.dumps({**subject.about, "picture": picture and str(picture.absolute()), **verdict.to_json()}, indent=1)
        )
    else:
        print(*subject.lines, "", verdict, *([f"picture {picture.absolute()}"] if picture else []), sep="\n")
    _judge(verdict, require)
    return DONE


def _judge(verdict: "Verdict", require: str | None) -> None:
    """Refuse, once all is told, what does not keep what it claims, or claims too little."""
    if not verdict.holds:
        raise SchwarzError(f"the case is {verdict.case}, but the networks do not keep what it claims: see above.")
    if require and CASES.index(verdict.case) > CASES.index(require):
        deciding = next(cause for cause in verdict.causes if cause.case is verdict.case)
        raise SchwarzError(f"the case is {verdict.case}, not {require}: {deciding}.")


def _run(name: str, changes: Words) -> "RunFolder":
    """The run of that name; flags of the config are not for runs."""
    from schwarz.cli.runs import find
    from schwarz.presets import PRESETS

    if changes:
        raise WrongInput(f"--{next(iter(changes))} changes a PRESET, and {name!r} is none: a run is as it was.")
    try:
        return find(name)
    except WrongInput:
        if Path(name).exists() or "/" in name or not nearest(name, PRESETS):
            raise
        raise WrongInput(f"no preset and no run {name!r}.{nearest(name, PRESETS)}") from None


def _trained(run: "RunFolder", count: int) -> Subject:
    """The networks of a run and its validation images."""
    from schwarz.steps.frame import place_of, whole

    at = {name: place_of(run.path, name) for name in ("train_local", "compose", "prepare_data")}
    pods = sorted(at["train_local"].glob("*"))
    strategies = run.config.strategies
    if not {"composed", "composed_tuned"} & set(strategies):
        raise WrongInput(
            f"{run.path}: nothing was composed, its strategies are {', '.join(strategies)}. "
            "A run with `--strategies composed` can be verified."
        )
    missing = [
        folder for folder in (*(pods or [at["train_local"]]), at["compose"], at["prepare_data"]) if not whole(folder)
    ]
    if missing:
        raise WrongInput(
            f"{missing[0]}: is missing or not whole. The run must be finished: `schwarz resume {run.path}`."
        )
    from schwarz.blueprint import blueprint_of, load_fleet, load_whole
    from schwarz.composition import compose
    from schwarz.images import load, spread
    from schwarz.steps.train_local import fleet

    _one_thread()
    boxes = fleet(pods)
    blueprint, parts = blueprint_of(at["compose"]), load_fleet(boxes)
    kept = run.config.compose.statistics == "keep"
    network = load_whole(at["compose"]).network if kept else blueprint.global_network(0).eval()
    if not kept:
        compose(network, parts, blueprint.partition)
    held = load(at["prepare_data"], "validation")
    images = spread(held, count)
    words = "" if kept else "; its statistics as they were before they were recomputed"
    lines = (
        f"{run.name}: {run.config.network.family} composed of its {len(parts)} trained local networks; images cut "
        f"{run.config.partition.words}{words}",
        f"{len(images)} of {len(held)} validation images, {_prepared(blueprint)}",
    )
    about = {"run": str(run.path), "preset": run.config.preset, "weights": "trained", "from": "validation"}
    return Subject(about, lines, blueprint, network, parts, images)


def _fresh(config: "Config", count: int) -> Subject:
    """Networks with random weights, and training images of the data set."""
    from schwarz.checks import check as fits
    from schwarz.cli.run import check
    from schwarz.runs import project_root
    from schwarz.storage import fetch

    config, info = check(config, project_root())
    partition = fits(config, info)
    fetch(info)
    from schwarz.blueprint import Blueprint
    from schwarz.composition import compose
    from schwarz.data import channel_statistics

    _one_thread()
    images = _first(info.folder, count)
    mean, std = (tuple(map(float, values)) for values in channel_statistics(images.x))
    blueprint = Blueprint(config.network, partition, info.shape, config.data.pad, mean, std, len(info.classes))
    parts = blueprint.local_networks(config.seed)
    for k, part in enumerate(parts):
        _as_if_trained(part.eval(), config.seed + k)
    network = compose(blueprint.global_network(config.seed).eval(), parts, partition)
    lines = (
        f"{config.preset}: {config.network.family} composed of {len(parts)} local networks with random weights, as "
        f"nothing is trained; images cut {config.partition.words}",
        f"{len(images)} training images of {info.name!r}, {_prepared(blueprint)}",
    )
    about = {"run": None, "preset": config.preset, "weights": "random", "from": "training"}
    return Subject(about, lines, blueprint, network, parts, images)


def _first(folder: Path, count: int) -> "Labelled":
    """`count` training images, spread over the first shards."""
    import numpy as np

    from schwarz.data import shards
    from schwarz.images import Labelled, spread

    taken: list[Any] = []
    for shard in shards(folder, "train"):
        taken.append(shard)
        if sum(len(y) for _, y in taken) >= count:
            break
    x, y = (np.concatenate(part) for part in zip(*taken, strict=True))
    return spread(Labelled(x, y.astype(np.int64)), count)


def _as_if_trained(part: "nn.Module", seed: int) -> None:
    """Give normalisations a scale, a shift and statistics of their own: fresh ones would hide how they are composed."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for layer in part.modules():
        for name, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
            if hasattr(layer, "running_mean") and tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.data = noise + 0.5 if name in ("weight", "running_var") else noise - 0.5


def _prepared(blueprint: "Blueprint") -> str:
    size = "x".join(map(str, blueprint.input_shape[1:]))
    padded = f"padded to {size}" if blueprint.pad else f"{size} pixels"
    return f"{padded} and normalised: what the networks see"


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # as training is


def _draw(path: Path, subject: Subject) -> None:
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
    write(path, pairs, pad(images, blueprint.pad))
