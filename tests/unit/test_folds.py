"""The folds by which the coarse net's own validation accuracy is fitted crosswise, and by which local networks answer
to images that they have not seen."""

from pathlib import Path

import numpy as np
import pytest

from schwarz.blueprint import planned
from schwarz.config import Augment, Local, Network
from schwarz.errors import StepFailed
from schwarz.files import sha256, write_json
from schwarz.images import MANIFEST, Shards, save_array
from schwarz.out_of_fold import Without, answers, enough, folds
from schwarz.partition import Partition
from schwarz.training import Checkpoints, Member, accuracy, fit_in_step, predict

NETWORK, BOXES = Network(family="mlp", dense=128), Partition.grid((8, 8), (1, 2))


def test_every_image_is_left_out_once_and_every_fold_has_every_class():
    y = np.repeat([0, 1, 2], [20, 30, 50])
    parts = folds(y, 5, seed=3)
    assert sorted(np.concatenate(parts)) == list(range(100))
    for part in parts:
        assert np.bincount(y[part]).tolist() == [4, 6, 10]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Images of noise with classes at random, cut into two boxes: they can be learned by heart alone."""
    generator = np.random.default_rng(0)
    sums: dict[str, dict[str, str]] = {"0": {}, "1": {}}
    for part, n in (("train", 60), ("validation", 20)):
        x, y = generator.integers(0, 256, (n, 1, 8, 8), np.uint8), generator.integers(0, 3, n)
        for k, box in enumerate(BOXES):
            for name, array in ((f"{part}-x.npy", x[box.slices]), (f"{part}-y.npy", y)):
                save_array(tmp_path / str(k) / name, array)
                sums[str(k)][name] = sha256(tmp_path / str(k) / name)
    plan = {
        "boxes": [[list(span) for span in box] for box in BOXES], "image_shape": [1, 8, 8], "pad": 0, "mean": [0.5],
        "std": [0.3], "classes": 3,
    }  # fmt: skip
    write_json(tmp_path / MANIFEST, {"uri": str(tmp_path), "sha256": sums, "plan": plan, "counts": {}})
    return tmp_path


def test_no_local_network_answers_to_an_image_that_it_has_learned(shards: Path, tmp_path: Path):
    local = Local(epochs=30, batch=10, lr=3e-3, schedule="constant", engine="loop")
    cut = Shards.read(shards)
    train = [cut.box(k, "train") for k in range(2)]
    others = []
    for fold, left_out in enumerate(folds(train[0].y, 3, 0)):
        out = tmp_path / str(fold)
        given = (0, NETWORK, Augment(), local, cut, (0, 1), Checkpoints(out / "checkpoints", {}), out)
        others.append(Without(*given, fold, left_out))
        others[-1](lambda *said: None)
    unseen = answers(BOXES.assemble([each.x for each in train]), others)
    assert unseen.shape == (60, 2, 3)
    blueprint = planned(shards, NETWORK)
    for k, network in enumerate(blueprint.local_networks(0)):
        member = Member(blueprint.on_box(network, k), train[k], None, seed=k)
        fit_in_step([member], local)
        assert accuracy(predict(member.model, train[k].x), train[k].y) > 0.95
        assert (unseen[:, k].argmax(1) == train[k].y).mean() < 0.55


def test_a_class_with_fewer_images_than_folds_is_named():
    with pytest.raises(StepFailed, match=r"coarse.folds = 3: class 1 has 2 training images.*`--coarse.folds 2`"):
        enough(np.array([0, 0, 0, 1, 1, 2, 2, 2]), 3, 3)
    with pytest.raises(StepFailed, match=r"class 1 has 1 training image beside.*Add images of it") as fault:
        enough(np.array([0, 0, 0, 1, 2, 2, 2]), 3, 2)
    assert not fault.value.resumable
