"""Test images decide nothing: two data sets that differ in these alone give the same networks and other test scores."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from schwarz import data as datasets
from schwarz import storage
from schwarz.data.packed import Meta, Part
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import RunFolder, create, project_root
from tests.pipeline.test_runners import finished
from tests.weights import weights

TRAIN, TEST = 300, 100


def checkout(root: Path, x: np.ndarray, y: np.ndarray, test: slice) -> Path:
    """A folder with the set `mine`: the first images for training, some others for the test."""
    folder = root / "datasets" / "mine"
    folder.mkdir(parents=True)
    parts: dict[Part, tuple[np.ndarray, np.ndarray]] = {"train": (x[:TRAIN], y[:TRAIN]), "test": (x[test], y[test])}
    meta = Meta("mine", tuple("abcdefghij"), x.shape[1:], TRAIN, TEST, "none", "the sample")
    datasets.pack(folder, meta, parts)
    about = {"name": "mine", "classes": list(meta.classes), "shape": list(meta.shape), "train": TRAIN, "test": TEST}
    out = {"md5": storage.version(folder), "path": "mine"}
    (root / "datasets" / "mine.dvc").write_text(yaml.safe_dump({"outs": [out], "meta": about}))
    return root


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    return datasets.read(storage.fetch(datasets.describe(project_root(), "sample")), "train")


def run(root: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Every strategy, briefly."""
    monkeypatch.setenv("SCHWARZ_PROJECT", str(root))
    changes = {"data.name": "mine", "data.limit": None, "data.md5": datasets.describe(root, "mine").md5}
    return finished(create(override(preset("tiny"), changes), out), "python")


def test_other_test_images_give_the_same_networks(
    images: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    x, y = images
    roots = [
        checkout(tmp_path / "one", x, y, slice(TRAIN, TRAIN + TEST)),
        checkout(tmp_path / "two", x, y, slice(-TEST, None)),
    ]
    one, two = (run(root, root / "run", monkeypatch) for root in roots)
    assert weights(one.path)
    assert weights(one.path) == weights(two.path)
    found = [each.results() or {} for each in (one, two)]
    for name in found[0]["strategies"]:
        (a, b) = (each["strategies"][name] for each in found)
        assert a["validation"] == b["validation"]
    assert [each["test"] for each in found[0]["strategies"].values()] != [
        each["test"] for each in found[1]["strategies"].values()
    ]
    assert found[0]["best"] == found[1]["best"]
