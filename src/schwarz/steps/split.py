"""Cut every training and validation image into its boxes, one folder of shards per box.

The artifact is a small manifest; the shards lie outside it, so that a pod that trains one box reads one box. They are
addressed by data, partition and seed: a second run of the same writes nothing.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np

from schwarz.augmentation import MIRROR, WHOLE, Stored, part_of
from schwarz.checks import partition_of
from schwarz.config import Augment, Data, PartitionConfig, digest
from schwarz.errors import StepFailed
from schwarz.files import copy, read_json, sha256, write_json
from schwarz.images import MANIFEST, MEAN_IMAGE, load, pad, save_array, save_rows
from schwarz.partition import Box, padded
from schwarz.steps.frame import Metrics, run_folder, step


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
    chosen = digest([seed, data.model_dump(mode="json", exclude={"name", "md5"}), plan["boxes"], layout])
    folder = store() / "boxes" / f"{about['md5']}-{chosen}"
    sums = {}
    for k, (box, each) in enumerate(zip(boxes, stored, strict=True)):
        sums[str(k)] = _written(folder / str(k)) or _write(folder / str(k), images, data.pad, box, each)
    if stored[0].whole:
        sums[WHOLE] = _written(folder / WHOLE) or _write_whole(folder / WHOLE, images)
    if (images / MEAN_IMAGE).exists():
        copy(images / MEAN_IMAGE, out / MEAN_IMAGE)
    write_json(out / MANIFEST, {"uri": str(folder), "sha256": sums, "plan": plan})
    return {"boxes": float(len(boxes))}


def store() -> Path:
    """Where shards lie: $SCHWARZ_STORE, by default a folder in the run."""
    run = run_folder()
    default = run / "store" if run else None
    if "SCHWARZ_STORE" not in os.environ and default is None:
        raise StepFailed("SCHWARZ_STORE is not set: name the folder that all pods see, where the boxes are to lie.")
    return Path(os.environ.get("SCHWARZ_STORE", str(default)))


def _written(folder: Path) -> dict[str, str] | None:
    """The sums of shards that an earlier run left whole."""
    sums = folder / "sha256.json"
    if not sums.exists():
        return None
    kept: dict[str, str] = read_json(sums)
    return kept if all((folder / n).exists() and sha256(folder / n) == value for n, value in kept.items()) else None


def _write(folder: Path, images: Path, pixels: int, box: Box, stored: Stored) -> dict[str, str]:
    train, validation = load(images, "train"), load(images, "validation")
    save_array(folder / "train-y.npy", train.y)
    save_array(folder / "validation-y.npy", validation.y)
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
    return _summed(folder)


def _write_whole(folder: Path, images: Path) -> dict[str, str]:
    train = load(images, "train")
    save_rows(folder / "train-x.npy", train.x, np.arange(len(train)))
    return _summed(folder)


def _summed(folder: Path) -> dict[str, str]:
    sums = {path.name: sha256(path) for path in sorted(folder.glob("[!.]*.npy"))}
    write_json(folder / "sha256.json", sums)
    return sums
