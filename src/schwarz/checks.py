"""Refusing what cannot work before anything is written: the configuration against the data set it names."""

from schwarz.config import Config
from schwarz.data import DataInfo
from schwarz.errors import WrongInput
from schwarz.partition import Partition

SHRINKS_BY = {"vgg9": 8}
"""The factor by which a network's poolings shrink an axis: a box needs as many pixels at least."""


def check(config: Config, info: DataInfo) -> Partition:
    """The partition that the run will use; WrongInput naming field, value and remedy where it cannot run."""
    padded = tuple(n + 2 * config.data.pad for n in info.shape[1:])
    if len(config.partition.grid) != len(padded):
        raise WrongInput(f"partition.grid {list(config.partition.grid)} has {len(config.partition.grid)} axes, "
                         f"the images of {info.name!r} {list(padded)} have {len(padded)}.")  # fmt: skip
    try:
        partition = Partition.of(config.partition, padded)
    except ValueError as fault:
        raise WrongInput(
            f"partition: {fault}. The images of {info.name!r} are {list(padded)}, padding included."
        ) from None
    _boxes_are_large_enough(config, partition)
    boxes = len(partition)
    if config.network.width < boxes or config.network.dense < boxes:
        field, value = min(("width", config.network.width), ("dense", config.network.dense), key=lambda pair: pair[1])
        raise WrongInput(f"network.{field} = {value} cannot be shared by {boxes} local networks: at least {boxes}.")
    if config.place.pods is not None and config.place.pods > boxes:
        raise WrongInput(f"place.pods = {config.place.pods}: there are {boxes} boxes to train, at most one pod each.")
    if config.data.limit is not None and config.data.limit > info.train:
        raise WrongInput(f"data.limit = {config.data.limit}: {info.name!r} has {info.train} training images.")
    if config.export.strategy == "best" and len(info.classes) < 2:
        raise WrongInput(
            f"data.name = {info.name!r}: has one class only, {', '.join(info.classes)!r}: there is nothing to learn."
        )
    return partition


def pods_of(config: Config, info: DataInfo) -> int:
    """On how many pods the local networks are trained: as many as there are boxes, unless the configuration says."""
    return config.place.pods or len(check(config, info))


def _boxes_are_large_enough(config: Config, partition: Partition) -> None:
    least = SHRINKS_BY[config.network.family] if config.network.padding == "same" else 36
    for k, box in enumerate(partition):
        if min(box.shape) < least:
            raise WrongInput(
                f"partition.grid {list(config.partition.grid)}: box {k} has {list(box.shape)} pixels, but "
                f"{config.network.family} with {config.network.padding!r} padding needs {least} along each axis: "
                "use a coarser grid or more overlap."
            )
