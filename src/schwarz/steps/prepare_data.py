"""Fetch the data set, check every byte, and lay the training and validation images out for reading.

Test images are passed on packed, as they came: only `evaluate` opens them.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from schwarz import data as datasets
from schwarz import storage
from schwarz.config import Data
from schwarz.errors import StepFailed, WrongInput
from schwarz.files import copy, read_json, write_json
from schwarz.images import MEAN_IMAGE, Labelled, load, mean_image, save_array, save_rows
from schwarz.runs import project_root
from schwarz.steps.frame import Metrics, step
from schwarz.steps.place import scratch


@step("data")
def prepare_data(seed: int, data: Data, *, out: Path) -> Metrics:
    """Writes train/ and validation/ (x.npy, y.npy), test/ (packed) and data.json (classes, shape, mean, std, ...);
    where each pixel has a mean of its own, mean.npy [C, *spatial]."""
    packed, md5 = _packed(data)
    _lay_out(packed, seed, data, out)
    _pass_on(packed, out / "test")
    about = read_json(packed / "meta.json")
    train, validation = load(out, "train"), load(out, "validation")
    mean, std = datasets.channel_statistics(train.x)
    if data.normalise == "pixel":
        save_array(out / MEAN_IMAGE, mean_image(train.x))
        std = np.ones_like(std)
    counts = {"train": len(train), "validation": len(validation), "test": about["test"]}
    write_json(out / "data.json", {
        "name": data.name, "md5": md5, "classes": about["classes"], "shape": about["shape"],
        "mean": [float(m) for m in mean], "std": [float(s) for s in std], **counts,
        "validation_is_test": data.validation == "test",
    })  # fmt: skip
    return {f"{name}_images": float(count) for name, count in counts.items()}


def _packed(data: Data) -> tuple[Path, str]:
    """The folder of the set, every file checked, and its version: from $SCHWARZ_REMOTE by that, or the checkout's."""
    if remote := os.environ.get("SCHWARZ_REMOTE"):
        if data.md5 is None:
            raise WrongInput("data.md5 is not set: `schwarz run` and `schwarz compile` fill it in from the .dvc file.")
        folder = scratch() / "sets" / data.md5
        storage.pull(data.md5, remote, folder)
        return folder, data.md5
    info = datasets.describe(project_root(), data.name)
    if data.md5 not in (None, info.md5):
        wants = f"the run wants {data.md5}: restore it, or start a new run"
        raise StepFailed(f"data set {data.name!r} is now version {info.md5}, {wants}.")
    return storage.fetch(info), info.md5


def _lay_out(packed: Path, seed: int, data: Data, out: Path) -> None:
    """train/ and validation/; the set need not fit in memory."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".all.") as folder:
        datasets.unpack(packed, "train", Path(folder) / "train")
        every = load(Path(folder), "train")
        training, kept = datasets.parts(every.y, data.limit, data.validation, seed)
        if data.validation == "test":
            datasets.unpack(packed, "test", out / "validation")
        else:
            _write(every, kept, out / "validation")
        _write(every, training, out / "train")


def _write(every: Labelled, rows: np.ndarray, folder: Path) -> None:
    save_rows(folder / "x.npy", every.x, rows)
    save_array(folder / "y.npy", every.y[rows])


def _pass_on(packed: Path, folder: Path) -> None:
    shards = sorted(packed.glob("test-*.npz"))
    if not shards:
        raise WrongInput(f"{packed}: has no test-*.npz. `schwarz data add` packs a set anew.")
    for path in (packed / "meta.json", *shards):
        copy(path, folder / path.name)
