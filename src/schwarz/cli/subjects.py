"""What `verify` verifies: the networks of a finished run, or networks of a preset with random weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schwarz.cli.columns import by
from schwarz.errors import WrongInput, nearest
from schwarz.locks import held
from schwarz.shell import command

if TYPE_CHECKING:
    from torch import nn

    from schwarz.blueprint import Blueprint
    from schwarz.config import Config
    from schwarz.images import Labelled
    from schwarz.runs import RunFolder


@dataclass(frozen=True)
class Subject:
    """A composed network, its local networks, and images."""

    about: dict[str, Any]
    lines: tuple[str, str]
    """The same in words."""
    blueprint: "Blueprint"
    network: "nn.Module"
    parts: "list[nn.Module]"
    images: "Labelled"


def named(name: str, flags: Iterable[str]) -> "RunFolder":
    """The run of that name, with all that verifying it needs; flags of the config are not for runs."""
    from schwarz.cli.runs import find
    from schwarz.presets import PRESETS

    if flag := next(iter(flags), None):
        raise WrongInput(
            f"--{flag} changes a PRESET, and {name!r} is none: a run is as it was.{nearest(name, PRESETS)}"
        )
    try:
        run = find(name)
    except WrongInput:
        if Path(name).exists() or "/" in name:
            raise
        remedy = nearest(name, PRESETS) or " `schwarz presets` and `schwarz runs` list them."
        raise WrongInput(f"no preset and no run {name!r}.{remedy}") from None
    if not {"composed", "composed_tuned"} & set(run.config.strategies):
        raise WrongInput(
            f"{run.path}: nothing was composed, its strategies are {', '.join(run.config.strategies)}. "
            "A run with `--strategies composed` can be verified."
        )
    return run


def trained(run: "RunFolder", count: int) -> Subject:
    """The networks of a run, and at most `count` of its validation images."""
    pods, composed, prepared = _steps(run)
    from schwarz.blueprint import blueprint_of, load_fleet, load_whole
    from schwarz.composition import compose
    from schwarz.images import load, spread
    from schwarz.shares import fleet

    blueprint, folders = blueprint_of(composed), fleet(pods)
    if len(folders) < len(blueprint.partition):
        raise _unfinished(run, f"{len(folders)} of its {len(blueprint.partition)} local networks are there")
    parts = load_fleet(folders)
    kept = run.config.compose.statistics == "keep"
    if kept:
        network = load_whole(composed).network
    else:
        network = compose(blueprint.global_network(0).eval(), parts, blueprint.partition)
    held = load(prepared, "validation")
    images = spread(held, count)
    words = "" if kept else "; its statistics as they were before they were recomputed"
    lines = (
        f"{run.name}: {run.config.network.family} composed of its {len(parts)} trained local networks; images cut "
        f"{run.config.partition.words}{words}",
        f"{len(images)} of {len(held)} validation images, {_seen(blueprint)}",
    )
    about = {"run": str(run.path), "preset": run.config.preset, "weights": "trained", "from": "validation"}
    return Subject(about, lines, blueprint, network, parts, images)


def _steps(run: "RunFolder") -> tuple[list[Path], Path, Path]:
    """The folders of the trained local networks, of the composed network and of the images, each of them whole."""
    from schwarz.steps.place import place_of

    locals_ = place_of(run.path, "train_local")
    pods = sorted(locals_.glob("*"))
    whole_steps(run, *([f"train_local/{pod.name}" for pod in pods] or ["train_local"]))
    found = whole_steps(run, "compose", "prepare_data")
    return pods, found["compose"], found["prepare_data"]


def whole_steps(run: "RunFolder", *names: str) -> dict[str, Path]:
    """The folders of finished steps by name, each as it was written; refused where one is not."""
    from schwarz.steps.frame import whole
    from schwarz.steps.place import place_of

    found = {name: place_of(run.path, *name.split("/")) for name in names}
    for folder in found.values():
        if not folder.exists():
            raise _unfinished(run, f"{folder.relative_to(run.path)} is missing")
        try:
            kept = whole(folder)
        except (ValueError, LookupError, TypeError):  # its done.json says nothing
            kept = False
        if not kept:
            raise _unfinished(run, f"{folder.relative_to(run.path)} is not as it was written", folder)
    return found


def finished(run: "RunFolder") -> dict[str, Any]:
    """The results of a run that is over; refused where it is not, or where another version measured other things."""
    from schwarz.steps.report import SCHEMA

    results = run.results()
    if results is None:
        raise _unfinished(run, "it is not finished")
    if results["schema"] != SCHEMA:
        raise _unfinished(run, "its results are of another version of schwarz, which measured other things")
    return results


def _unfinished(run: "RunFolder", lack: str, *damaged: Path) -> WrongInput:
    """What to do about a run that lacks something: wait for it, or have it made."""
    from schwarz.cli.run import complete

    if held(run.logs / "lock"):
        return WrongInput(
            f"{run.path}: another process runs it now: wait until it has ended; `{command('runs')}` shows that."
        )
    removed = [*damaged, *([run.path / "results.json"] if complete(run) else [])]  # with that, resume does nothing
    first = f"Remove {' and '.join(map(str, removed))}, then " if removed else ""
    return WrongInput(f"{run.path}: {lack}. {first}`{command('resume', run.path)}` makes it.")


def fresh(config: "Config", count: int) -> Subject:
    """Networks with random weights, and at most `count` training images of the data set."""
    from schwarz.cli.run import check
    from schwarz.runs import project_root
    from schwarz.storage import fetch

    config, info, partition = check(config, project_root())
    fetch(info)
    from schwarz.blueprint import Blueprint
    from schwarz.composition import compose
    from schwarz.data import channel_statistics
    from schwarz.images import mean_image

    images = _first(info.folder, count)
    mean, std = (tuple(map(float, values)) for values in channel_statistics(images.x))
    image = mean_image(images.x) if config.data.normalise == "pixel" else None
    std = std if image is None else (1.0,) * len(std)
    blueprint = Blueprint(config.network, partition, info.shape, config.data.pad, mean, std, len(info.classes), image)
    parts = blueprint.local_networks(config.seed)
    for k, part in enumerate(parts):
        _as_if_trained(part.eval(), config.seed + k)
    network = compose(blueprint.global_network(config.seed).eval(), parts, partition)
    lines = (
        f"{config.preset}: {config.network.family} composed of {len(parts)} local networks with random weights, as "
        f"nothing is trained; images cut {config.partition.words}",
        f"{len(images)} training images of {info.name!r}, {_seen(blueprint)}",
    )
    about = {"run": None, "preset": config.preset, "weights": "random", "from": "training"}
    return Subject(about, lines, blueprint, network, parts, images)


def _first(folder: Path, count: int) -> "Labelled":
    """`count` training images, spread over the first shards that hold so many."""
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
    """Give BatchNorm a scale, a shift and statistics of its own: fresh ones would hide how they are composed."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for layer in part.modules():
        for name, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
            if hasattr(layer, "running_mean") and tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.data = noise + 0.5 if name in ("weight", "running_var") else noise - 0.5


def _seen(blueprint: "Blueprint") -> str:
    """What the networks see, in words."""
    size = by(blueprint.input_shape[1:])
    return f"{f'padded to {size}' if blueprint.pad else f'{size} pixels'} and normalised: what the networks see"
