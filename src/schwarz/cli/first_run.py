"""The first run of a data set that was just added: a command that works for it as it is."""

from collections.abc import Iterator
from math import ceil, prod
from typing import TYPE_CHECKING

from schwarz.errors import WrongInput
from schwarz.shell import command

if TYPE_CHECKING:
    from schwarz.config import Config
    from schwarz.data import DataInfo

TRAINED = ("local", "coherent", "transfer", "global", "tune")  # the sections with a batch of images
SHARES = (0.15, 0.2, 0.3, 0.4, 0.5)  # of the training images, for validation
BATCHES = (64, 32, 16, 8, 4)
PIXELS = 2**22  # of a batch: the quickstart's network then takes a few GB


def first_run(info: "DataInfo") -> str:
    """The command: of a preset that is made for this set, else the quickstart with what makes it fit; or why none is.

    The quickstart adds no zeros, but where the boxes would be too small for its network, and cuts in two what is long
    enough; the model is registered by the name of the set.
    """
    from schwarz.checks import check
    from schwarz.cli.options import applied
    from schwarz.presets import PRESETS, quickstart

    for preset in PRESETS.values():
        if preset.data == info.name and _accepted(preset(), info):
            return command("run", preset.name)
    changes = _changes(quickstart(), info)
    try:
        check(applied(quickstart(), changes), info)
    except WrongInput as fault:
        return f"no run of the quickstart fits it: {fault}"
    flags = [word for name, words in changes.items() for word in (f"--{name}", *words)]
    return command("run", "quickstart", *flags)


def _accepted(config: "Config", info: "DataInfo") -> bool:
    from schwarz.checks import check

    try:
        check(config, info)
    except WrongInput:
        return False
    return True


def _changes(config: "Config", info: "DataInfo") -> dict[str, list[str]]:
    """The flags that make a preset fit a set."""
    from schwarz.families import FAMILIES
    from schwarz.shrinking import least

    needed = least(FAMILIES[config.network.family].windows(config.network.choices["padding"]))
    extents = info.shape[1:]
    pad = max(0, ceil((needed - min(extents)) / 2), ceil((2 * needed - max(extents)) / 2))
    grid = [2 if extent + 2 * pad >= 2 * needed else 1 for extent in extents]
    changes = {"data.name": [info.name], "data.pad": [str(pad)], "register.name": [info.name]}
    if tuple(grid) != config.partition.grid:
        changes["partition.grid"] = list(map(str, grid))
    return changes | dict(_smaller(config, info))


def _smaller(config: "Config", info: "DataInfo") -> Iterator[tuple[str, list[str]]]:
    """Of few images a larger share for validation, in fewer folds; batches no larger than what is left, and than the
    memory."""
    folds = min(config.coarse.folds, round(info.train * SHARES[-1]))
    if folds != config.coarse.folds:
        yield "coarse.folds", [str(folds)]
    needed = max(len(info.classes), folds)
    share = next((share for share in SHARES if round(info.train * share) >= needed), SHARES[-1])
    if share != config.data.validation:
        yield "data.validation", [str(share)]
    left = info.train - round(info.train * share)
    most = min(left, max(PIXELS // prod(info.shape[1:]), BATCHES[-1]))
    batch = next((size for size in BATCHES if size <= most), most)
    for section in TRAINED:
        if getattr(config, "global_" if section == "global" else section).batch > most:
            yield f"{section}.batch", [str(batch)]
