"""How boxes are packed on pods makes no difference to any of them: weights, order and motions are functions of (seed,
epoch, image, box)."""

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from schwarz.augmentation import training_box
from schwarz.blueprint import planned
from schwarz.config import Augment, Data, Local, Network, PartitionConfig
from schwarz.files import write_json
from schwarz.images import Labelled, Shards, save_array
from schwarz.seeds import derive
from schwarz.steps.frame import DONE
from schwarz.steps.split import split
from schwarz.training import Member, fit_in_step

BOXES = 4


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Grey noise that is brighter where its class says."""
    monkeypatch.setenv("SCHWARZ_RUN", str(tmp_path / "run"))
    generator, folder = np.random.default_rng(0), tmp_path / "images"
    y = generator.integers(0, 3, 40)
    x = generator.integers(0, 200, (40, 1, 16, 16)) + 18 * y[:, None, None, None]
    for part in ("train", "validation"):
        save_array(folder / part / "x.npy", x.astype(np.uint8))
        save_array(folder / part / "y.npy", y)
    about = {"shape": [1, 16, 16], "md5": "m", "mean": [0.5], "std": [0.2], "classes": ["a", "b", "c"]}
    write_json(folder / "data.json", about)
    write_json(folder / DONE, {"files": {}, "key": "images"})
    return folder


def weights(shards: Path, augment: Augment, pods: int) -> list[dict[str, Tensor]]:
    """Of the network of every box, trained on so many pods in float64."""
    network, local = Network(family="vgg9", width=8, dense=16), Local(epochs=2, batch=10, lr=1e-2)
    cut, blueprint = Shards.read(shards), planned(shards, network)
    fresh = blueprint.local_networks(0)
    for pod in range(pods):
        members = [
            Member(
                blueprint.on_box(fresh[k], k).double(), training_box(cut, k, augment, 0),
                cut.box(k, "validation"), derive(0, "local", k),
            )
            for k in range(pod, BOXES, pods)
        ]  # fmt: skip
        fit_in_step(members, local)
    return [each.state_dict() for each in fresh]


@pytest.mark.parametrize("frame", ["image", "box"])
@pytest.mark.parametrize("motion", [Augment(), Augment(shift=2, flip=True), Augment(rotation=10, zoom=0.1)])
def test_one_pod_two_pods_and_a_pod_for_each_box_give_the_same_weights(images: Path, motion: Augment, frame: str):
    augment = Augment.model_validate({**motion.model_dump(), "frame": frame})
    cut = PartitionConfig(grid=(2, 2))
    split(seed=0, data=Data(), partition=cut, augment=augment, images=images, out=images.parent / "out")
    alone = weights(images.parent / "out", augment, BOXES)
    for pods in (1, 2):
        for one, other in zip(weights(images.parent / "out", augment, pods), alone, strict=True):
            for name, value in one.items():
                assert float((value - other[name]).abs().max()) < 1e-10, name


def test_what_a_killed_save_leaves_is_no_shard(images: Path):
    cut = {"data": Data(), "partition": PartitionConfig(grid=(2, 2)), "augment": Augment(), "images": images}
    split(seed=0, **cut, out=images.parent / "out")
    whole = Shards.read(images.parent / "out")
    folder = whole.folder / "0"
    (folder / "sha256.json").unlink()
    (folder / ".train-x.npy.a1b2c3.npy").write_bytes(b"half of it")  # as `schwarz.files.replacing` calls it
    (images.parent / "run" / "steps" / "split" / DONE).unlink()
    split(seed=0, **cut, out=images.parent / "again")
    again = Shards.read(images.parent / "again")
    assert (again.folder, again.sha256, again.plan) == (whole.folder, whole.sha256, whole.plan)


def test_every_epoch_shows_other_images(images: Path):
    """Or else nothing above could fail."""
    augment = Augment(shift=2, flip=True)
    cut = PartitionConfig(grid=(2, 2))
    split(seed=0, data=Data(), partition=cut, augment=augment, images=images, out=images.parent / "out")
    shards = Shards.read(images.parent / "out")
    box = training_box(shards, 0, augment, 0)
    assert not np.array_equal(box.batch(np.arange(40), 1), box.batch(np.arange(40), 2))
    assert isinstance(shards.box(0, "validation"), Labelled)
