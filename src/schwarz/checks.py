"""Refusing what cannot work before anything is written: the configuration against the data set it names."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from schwarz.config import Config, PartitionConfig
from schwarz.data import DataInfo
from schwarz.errors import WrongInput
from schwarz.families import FAMILIES
from schwarz.partition import Box, Partition, padded
from schwarz.shrinking import least, left
from schwarz.windows import Window


def partition_of(config: PartitionConfig, shape: Sequence[int]) -> Partition:
    """The partition a configuration describes, on an input whose partitioned axes have `shape`."""
    if config.boxes is not None:
        return Partition(tuple(shape), tuple(Box(tuple((a, b) for a, b in spans)) for spans in config.boxes))
    return Partition.grid(shape, config.grid or (), config.overlap, config.size, config.crop)


def cut(config: Config, info: DataInfo) -> Partition:
    """How a configuration cuts the images of a set, zeros around them included; WrongInput where it cannot."""
    shape = padded(info.shape, config.data.pad)[1:]
    if config.data.pad > max(info.shape[1:]):
        raise WrongInput(
            f"data.pad = {config.data.pad}: more zeros than image on every side of {list(info.shape[1:])} pixels. "
            "`--data.pad 0` adds none."
        )
    if config.partition.axes != len(shape):
        cutting = f"grid {list(config.partition.grid)} cuts" if config.partition.grid else "boxes cut"
        example = " ".join(["2"] * len(shape))
        raise WrongInput(
            f"partition.{cutting} {config.partition.axes} axes, the images of {info.name!r} have {len(shape)} "
            f"({list(shape)} pixels, padding included): `--partition.grid {example}`."
        )
    try:
        return partition_of(config.partition, shape)
    except ValueError as fault:
        raise WrongInput(
            f"partition: {fault}. The images of {info.name!r} are {list(shape)}, padding included."
        ) from None


def check(config: Config, info: DataInfo) -> Partition:
    """The partition that the run will use; WrongInput naming field, value and remedy where it cannot run."""
    partition = cut(config, info)
    _boxes_are_large_enough(config, partition)
    boxes = len(partition)
    for field in ("width", "dense"):
        width = config.network.choices.get(field)
        if width is not None and width < boxes:
            raise WrongInput(f"network.{field} = {width} cannot be shared by {boxes} local networks: at least {boxes}.")
    if config.place.pods is not None and config.place.pods > boxes:
        raise WrongInput(f"place.pods = {config.place.pods}: there are {boxes} boxes to train, at most one pod each.")
    if config.data.limit is not None and config.data.limit > info.train:
        raise WrongInput(
            f"data.limit = {config.data.limit}: {info.name!r} has {info.train} training images. "
            "`--data.limit none` takes all."
        )
    if len(info.classes) < 2:
        raise WrongInput(
            f"data.name = {info.name!r}: has one class only, {', '.join(info.classes)!r}: there is nothing to learn."
        )
    _motions_fit(config, partition)
    _enough_images(config, info)
    _batches_fit(config, info)
    return partition


def _motions_fit(config: Config, partition: Partition) -> None:
    """What moves keeps some of its own pixels in sight."""
    moving = "box" if config.augment.frame == "box" else "image"
    extents = [box.shape for box in partition] if moving == "box" else [partition.shape]
    least = min(map(min, extents)) - (2 * config.data.pad if moving == "image" else 0)
    if config.augment.shift >= least:
        raise WrongInput(
            f"augment.shift = {config.augment.shift}: would push a whole {moving} of {least} pixels out of sight: at "
            f"most {least - 1}."
        )


def _validation(config: Config, info: DataInfo) -> int:
    """About how many training images are kept for validation."""
    share = config.data.validation
    return 0 if share == "test" else round((config.data.limit or info.train) * share)


def _batches_fit(config: Config, info: DataInfo) -> None:
    """No batch of images is larger than what it is taken from; the coarse net's are as large as can be."""
    images = (config.data.limit or info.train) - _validation(config, info)
    large: dict[str, int] = {}
    trained = {"coherent", "transfer", "global"} & set(config.strategies)
    trained |= {"tune"} if "composed_tuned" in config.strategies else set()
    trained |= {"local"} if set(config.strategies) - {"global", "coherent"} else set()
    for section in sorted(trained):
        batch: int = getattr(config, "global_" if section == "global" else section).batch
        if batch > images:
            large[f"{section}.batch"] = batch
    if large:
        most = f"there are {images} images to train on: at most that. {_typed(large, images)}"
        raise WrongInput(f"{_listed(large)}: {most}")


def check_labels(config: Config, info: DataInfo) -> None:
    """What only the labels say, so that the images must be here: for out-of-fold answers every class needs a training
    image for each fold."""
    if "coarse" not in config.strategies or config.coarse.source != "out-of-fold":
        return
    import numpy as np  # which not every command needs

    from schwarz.data import labels, parts

    y = labels(info.folder, "train")
    training, _ = parts(y, config.data.limit, config.data.validation, config.seed)
    if message := unfilled(
        np.bincount(y[training], minlength=len(info.classes)).tolist(), config.coarse.folds, info.classes
    ):
        raise WrongInput(message)


def unfilled(counts: Sequence[int], folds: int, classes: Sequence[str] = ()) -> str:
    """What to say of a class whose training images, so many of each class, do not fill the folds; '' where all do."""
    have, least = min((count, k) for k, count in enumerate(counts))
    if have >= folds:
        return ""
    name = repr(classes[least]) if classes else str(least)
    found = f"{have} training image{'' if have == 1 else 's'}"
    fewer = f"`--coarse.folds {have}`, " if have > 1 else "Add images of it, "
    return (
        f"coarse.folds = {folds}: class {name} has {found} beside those for validation, and every fold needs one. "
        f"{fewer}or `--coarse.source holdout`."
    )


def idle_workers(config: Config, boxes: int) -> str:
    """What to say where a pod has fewer local networks to train than `place.workers` may share; '' where it has not."""
    pods = config.place.pods or boxes
    share = ceil(boxes / pods)
    in_pods = {*config.strategies} - {"global", "coherent"}
    beside_pods = config.coarse.source == "out-of-fold" or config.transfer.pretrain  # all boxes are shared out
    if config.place.workers <= share or not in_pods or beside_pods:
        return ""
    more = f"; `--place.pods 1` gives one pod all {boxes}" if pods > 1 else ""
    networks = "network" if share == 1 else "networks"
    return f"place.workers = {config.place.workers}: {share} at work, for a pod trains {share} local {networks}{more}"


def _enough_images(config: Config, info: DataInfo) -> None:
    """Every fold of the coarse net and every class needs validation images."""
    if config.data.validation == "test":
        return
    images, every = _validation(config, info), config.data.limit or info.train
    crosswise = "coarse" in config.strategies and config.coarse.source == "holdout"
    needed = max(config.coarse.folds if crosswise else 1, len(info.classes))
    if images < needed:
        folds = f" and {config.coarse.folds} folds of the coarse net" if crosswise else ""
        remedy = f"a larger share, `--data.validation {ceil(100 * needed / every) / 100}`"
        if 2 * needed > every:  # as many again are to be trained on
            less = "`--data.limit none`" if config.data.limit else "`schwarz data add` takes them"
            remedy = f"more images, at least {2 * needed}: {less}"
        raise WrongInput(
            f"data.validation = {config.data.validation} leaves {images} validation images of {every} for "
            f"{len(info.classes)} classes{folds}: {remedy}."
        )


def pods_of(config: Config, info: DataInfo) -> int:
    """On how many pods the local networks are trained: as many as there are boxes, unless the configuration says."""
    return config.place.pods or len(check(config, info))


def _boxes_are_large_enough(config: Config, partition: Partition) -> None:
    """Every network leaves a pixel of its box, and BatchNorm more than one value to normalise by."""
    family, padding = FAMILIES[config.network.family], config.network.choices.get("padding", "same")
    windows = family.windows(padding)
    needed = least(windows)
    remedy = "use larger boxes: a coarser grid, or more overlap"
    if min(partition.shape) < needed:
        same = "" if padding == "same" else ", or 'same' padding"
        remedy = f"the images themselves are smaller: give them zeros around (data.pad){same}"
    for k, box in enumerate(partition):
        if min(box.shape) < needed:
            raise WrongInput(
                f"partition: box {k} of the images cut {config.partition.words} has {list(box.shape)} pixels, but "
                f"{family.name} with {padding!r} padding needs {needed} along each axis: {remedy}."
            )
    if family.ends_normalised:
        _batches_are_large_enough(config, partition, windows)


def _batches_are_large_enough(config: Config, partition: Partition, windows: list[Window]) -> None:
    """Where the last map is one pixel, BatchNorm has one value for each channel and image, and needs two. Batches are
    of nearly one size (`training.epochs`): of 3 and more none ends with a single image, of 2 one may."""
    boxes, image = [box.shape for box in partition], [partition.shape]
    small: dict[str, int] = {}
    for section, training, shapes in (
        *(("local", config.local, boxes), ("coherent", config.coherent, boxes), ("transfer", config.transfer, boxes)),
        *(("global", config.global_, image), ("tune", config.tune, image)),
    ):
        if training.batch < 3 and any(left(max(shape), windows) == 1 for shape in shapes):
            small[f"{section}.batch"] = training.batch
    if small:
        raise WrongInput(
            f"{_listed(small)}: the last map of {config.network.family} is one pixel here, and BatchNorm cannot be "
            f"trained on one image at a time: at least 3. {_typed(small, 3)}"
        )


def _listed(fields: Mapping[str, int]) -> str:
    return ", ".join(f"{field} = {value}" for field, value in fields.items())


def _typed(fields: Iterable[str], value: int) -> str:
    """The flags that give all fields a value."""
    return f"`{' '.join(f'--{field} {value}' for field in fields)}`"
