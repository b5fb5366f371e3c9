"""Cut every training and validation image into its boxes, one folder of shards per box.

The artifact is a small manifest; the shards lie outside it, so that a pod that trains one box reads one box. They are
addressed by data, partition and seed: a second run of the same writes nothing.
"""

import os
from pathlib import Path
from typing import Any

from schwarz.checks import partition_of
from schwarz.config import Data, PartitionConfig, digest
from schwarz.errors import StepFailed
from schwarz.files import read_json, sha256, write_json
from schwarz.images import MANIFEST, load, pad, save_array
from schwarz.partition import padded
from schwarz.steps.frame import Metrics, run_folder, step


@step("split")
def split(seed: int, data: Data, partition: PartitionConfig, *, images: Path, out: Path) -> Metrics:
    """Writes manifest.json: where the shards lie, their sha256, and what the networks need to know of the images."""
    about = read_json(images / "data.json")
    boxes = partition_of(partition, padded(about["shape"], data.pad)[1:])
    chosen = digest([seed, data.model_dump(mode="json", exclude={"name", "md5"}), [box.spans for box in boxes]])
    folder = store() / "boxes" / f"{about['md5']}-{chosen}"
    sums = {}
    for k, box in enumerate(boxes):
        sums[str(k)] = _written(folder / str(k)) or _write(folder / str(k), images, data.pad, box.slices)
    plan = {
        "boxes": [[list(span) for span in box] for box in boxes], "image_shape": about["shape"], "pad": data.pad,
        "mean": about["mean"], "std": about["std"], "classes": len(about["classes"]),
    }  # fmt: skip
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


def _write(folder: Path, images: Path, pixels: int, slices: tuple[Any, ...]) -> dict[str, str]:
    sums = {}
    for part in ("train", "validation"):
        whole = load(images, part)
        for name, array in {f"{part}-x.npy": pad(whole.x, pixels)[slices], f"{part}-y.npy": whole.y}.items():
            save_array(folder / name, array)
            sums[name] = sha256(folder / name)
    write_json(folder / "sha256.json", sums)
    return sums
