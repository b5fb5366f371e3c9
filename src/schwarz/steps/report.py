"""Put the results together in results.json, and show them in one page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from schwarz.config import STRATEGIES
from schwarz.files import read_json, write_atomic, write_json
from schwarz.images import MANIFEST, load, pad
from schwarz.partition import padded
from schwarz.report import mistakes, page
from schwarz.report.activation import FILES, Looks
from schwarz.report.composition import PICTURE, VERIFIED, summary
from schwarz.steps.frame import Metrics, step
from schwarz.steps.place import run_folder
from schwarz.steps.telling import Telling

SCHEMA = 3
"""Of results.json: what has another was written by another version."""
DATA = ("name", "md5", "classes", "shape", "train", "validation", "test", "validation_is_test")
FOUND = (
    "locals", "best", "curves", "confusion", "measures", "pairs", "agreement", "missing", "signatures", "train_images",
)  # fmt: skip
SAMPLES = 10  # a row of the page


@step("report", fresh=True)
def report(
    preset: str,
    seed: int,
    *,
    begun: Path,
    images: Path,
    shards: Path,
    evaluation: Path,
    exported: Path,
    registered: Path,
    composed: Path | None,
    told: Telling | None,
    out: Path,
) -> Metrics:
    """Writes results.json and report.html."""
    about, found = read_json(images / "data.json"), read_json(evaluation / "evaluation.json")
    plan = read_json(shards / MANIFEST)["plan"]
    entry = read_json(registered / "registered.json")
    origin = read_json(begun / "lineage.json")
    uid = origin.pop("uid")
    model = read_json(exported / "model.json")
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "preset": preset,
        "uid": uid,
        "seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "chance": 1 / len(about["classes"]),
        "largest_class": _largest(evaluation),
        "data": {name: about[name] for name in DATA},
        "partition": {"shape": list(padded(plan["image_shape"], plan["pad"])[1:]), "boxes": plan["boxes"]},
        "strategies": {name: found["strategies"][name] for name in STRATEGIES if name in found["strategies"]},
        **{name: found[name] for name in FOUND},
        "mistakes": read_json(evaluation / mistakes.FILES[0]),
        "verify": summary(read_json(composed / VERIFIED)) if composed else None,
        "model": {**model, "file": f"model/{model['file']}", "registered": entry["registered"]},
        "lineage": {**origin, **{name: entry[name] for name in ("tracking_uri", "mlflow_run_id")}},
    }
    write_json(out / "results.json", results)
    html = drawn(results, images, shards, evaluation, composed, in_folder=run_folder() is not None)
    write_atomic(out / "report.html", html)
    if told:
        told.keep(out / "results.json", out / "report.html")
    return {"best_test_accuracy": found["strategies"][found["best"]]["test"]}


def drawn(
    results: Mapping[str, Any], images: Path, shards: Path, evaluation: Path, composed: Path | None, *, in_folder: bool
) -> str:
    """The page about these results, from what the steps before left."""
    pixels = read_json(shards / MANIFEST)["plan"]["pad"]
    return page(
        results,
        *_samples(images, pixels),
        _picture(composed),
        read_looks(evaluation, images, pixels),
        pad(np.load(evaluation / mistakes.FILES[1]), pixels),
        in_folder=in_folder,
    )


def read_looks(evaluation: Path, images: Path, pixels: int) -> Looks | None:
    """Figure 3.8, where `evaluate` could map anything."""
    about, maps = (evaluation / name for name in FILES)
    if not about.exists():
        return None
    found, validation = read_json(about), load(images, "validation")
    shown, networks = pad(validation.x[found["images"]], pixels), found["networks"]
    at = shown.shape[2] // 2 if shown.ndim == 5 else None
    by_network = dict(zip(networks, np.load(maps), strict=True))
    flat = shown if at is None else shown[:, :, at]
    return Looks(flat, validation.y[found["images"]].tolist(), at, by_network, networks)


def _picture(composed: Path | None) -> str | None:
    """Figure 3.7, where `compose` could draw it."""
    path = composed / PICTURE if composed else None
    return path.read_text(encoding="utf-8") if path and path.exists() else None


def _largest(evaluation: Path) -> float:
    """The share of the largest class of the test images: what it is worth to answer nothing else."""
    y = np.load(evaluation / "classes.npy")
    return float(np.bincount(y).max() / len(y))


def _samples(images: Path, pixels: int) -> tuple[np.ndarray, list[int]]:
    """The first validation image of each of the first classes, padded as the networks see it."""
    validation = load(images, "validation")
    chosen = [int(np.flatnonzero(validation.y == label)[0]) for label in np.unique(validation.y)[:SAMPLES]]
    return pad(validation.x[chosen], pixels), [int(validation.y[i]) for i in chosen]
