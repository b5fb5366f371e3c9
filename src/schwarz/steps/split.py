"""Cut every training and validation image into its boxes, one folder of shards per box.

The artifact is a small manifest; the shards lie outside it, so that a pod that trains one box reads one box. They are
addressed by data, partition and seed: a second run of the same writes nothing.
"""

from functools import partial
from pathlib import Path

import numpy as np

from schwarz.augmentation import MIRROR, WHOLE, Stored, part_of
from schwarz.checks import partition_of
from schwarz.config import Augment, Data, PartitionConfig, digest
from schwarz.files import copy, read_json, write_json
from schwarz.images import MANIFEST, MEAN_IMAGE, load, pad, save_array, save_rows
from schwarz.partition import Box, padded
from schwarz.steps.boxes import Shelf
from schwarz.steps.frame import Metrics, step
from schwarz.steps.place import store

CUT = 1
"""Counts up when the same boxes would be written with other bytes: nobody may then take the old ones for them."""


@step("split")
def split(seed: int, data: Data, partition: PartitionConfig, augment: Augment, *, images: Path, out: Path) -> Metrics:
    """Writes manifest.json: where the shards lie, their sha256, and what the networks need to know of the images."""
    about = read_json(images / "data.json")
    boxes = partition_of(partition, padded(about["shape"], data.pad)[1:])
    plan = {
        "boxes": [[list(span) for span in box] for box in boxes], "image_shape": about["shape"], "pad": data.pad,
        "mean": about["mean"], "std": about["std"], "classes": len(about["classes"]),
    }  # fmt: skip
    stored = [Stored(augment, part_of(plan, k)) for k in range(len(boxes))]
    rim = augment.shift if stored[0].together else 0
    layout = [stored[0].together, stored[0].whole, rim, augment.flip and stored[0].together]
    chosen = digest([CUT, seed, data.model_dump(mode="json", exclude={"name", "md5"}), plan["boxes"], layout])
    shelf = Shelf(f"{store()}/boxes/{about['md5']}-{chosen}")
    sums = {
        str(k): shelf.keep(str(k), partial(_write, images=images, pixels=data.pad, box=box, stored=each))
        for k, (box, each) in enumerate(zip(boxes, stored, strict=True))
    }
    if stored[0].whole:
        sums[WHOLE] = shelf.keep(WHOLE, partial(_write_whole, images=images))
    if (images / MEAN_IMAGE).exists():
        copy(images / MEAN_IMAGE, out / MEAN_IMAGE)
    counts = {part: len(load(images, part)) for part in ("train", "validation")}
    write_json(out / MANIFEST, {"uri": shelf.uri, "sha256": sums, "plan": plan, "counts": counts})
    return {"boxes": float(len(boxes))}


def _write(folder: Path, images: Path, pixels: int, box: Box, stored: Stored) -> None:
    train, validation = load(images, "train"), load(images, "validation")
    least = np.min_scalar_type(max(train.y.max(), validation.y.max()))  # eight bytes would be a hundredth of an image
    save_array(folder / "train-y.npy", train.y.astype(least))
    save_array(folder / "validation-y.npy", validation.y.astype(least))
    rows = np.arange(len(train))
    save_rows(
        folder / "validation-x.npy", validation.x, np.arange(len(validation)), lambda x: pad(x, pixels)[box.slices]
    )
    if not stored.together:
        save_rows(folder / "train-x.npy", train.x, rows, lambda x: pad(x, pixels)[box.slices])
    elif not stored.whole:
        parts = {"train-x.npy": stored.part, MIRROR: stored.mirror}
        for name, part in ((name, part) for name, part in parts.items() if part is not None):
            save_rows(folder / name, train.x, rows, partial(part.cut, rim=stored.augment.shift))


def _write_whole(folder: Path, images: Path) -> None:
    train = load(images, "train")
    save_rows(folder / "train-x.npy", train.x, np.arange(len(train)))
