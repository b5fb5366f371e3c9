"""A coarse net that learns to do without boxes: what it sees for a missing one is what the model would see."""

from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from schwarz.blueprint import NETWORK, Blueprint
from schwarz.box_dropout import DRAWS, Dropped, dropped
from schwarz.combine import CoarseNet
from schwarz.config import Coarse, Network
from schwarz.evaluation import Damaged, blank
from schwarz.files import read_json, sha256
from schwarz.images import Labelled, Rows, load
from schwarz.partition import Partition
from schwarz.runs import RunFolder
from schwarz.shares import fleet
from schwarz.steps.train_coarse import train_coarse
from schwarz.strategies import Trained
from schwarz.training import accuracy, fit, predict
from tests.unit import trained_run

APART, OVERLAPPING = Partition.grid((12, 12), (2, 2)), Partition.grid((12, 12), (2, 2), overlap=2)


def blueprint(partition: Partition) -> Blueprint:
    return Blueprint(Network(family="cnn5"), partition, (1, 10, 10), 1, (0.25,), (0.5,), 3)


def never(x: Rows) -> np.ndarray:
    """Local networks whose boxes are apart need not be asked again."""
    raise AssertionError(f"asked for {len(x)} images")


def drawn(lessons: Dropped) -> np.ndarray:
    """[draws, n, N, K]: of each image what it is in so many epochs."""
    return np.stack([lessons.batch(np.arange(len(lessons)), epoch) for epoch in range(DRAWS)])


@pytest.mark.parametrize("partition", [APART, OVERLAPPING], ids=["apart", "overlapping"])
def test_what_is_learned_from_is_what_the_model_sees_of_damaged_images(partition: Partition) -> None:
    plan = blueprint(partition)
    model = plan.divided([each.eval() for each in plan.local_networks(0)], nn.Identity())
    x = np.random.default_rng(0).integers(256, size=(40, 1, 10, 10)).astype(np.uint8)
    whole, nothing = Labelled(predict(model, x).numpy(), np.zeros(40)), predict(model, blank(plan))[0].numpy()
    found = dropped(whole, x, lambda rows: predict(model, rows).numpy(), plan, nothing, share=0.3, seed=0)
    choices = list(chain.from_iterable(combinations(range(4), m) for m in range(5)))
    seen = np.stack([predict(model, Damaged(x, plan).whole(each)).numpy() for each in choices])
    same = np.isclose(drawn(found)[:, None], seen, atol=1e-5).all((-1, -2))  # [draws, choices, n]
    assert (same.sum(1) == 1).all()
    lacking = np.array([[k in each for k in range(4)] for each in choices])[same.argmax(1)]
    assert lacking.mean((0, 1)) == pytest.approx(np.full(4, 0.3), abs=0.08)  # each box as often
    assert abs(np.corrcoef(lacking.reshape(-1, 4).T) - np.eye(4)).max() < 0.2  # and by itself


def test_a_missing_box_says_what_the_network_of_the_model_says_whoever_answered_the_images() -> None:
    """Out of fold other networks did."""
    whole, nothing = Labelled(np.zeros((40, 4, 3), np.float32), np.zeros(40)), np.full((4, 3), 7, np.float32)
    x = np.zeros((40, 1, 10, 10), np.uint8)
    for partition, ask in ((APART, never), (OVERLAPPING, lambda rows: np.full((len(rows), 4, 3), 5, np.float32))):
        found = dropped(whole, x, ask, blueprint(partition), nothing, share=0.3, seed=0)
        assert set(np.unique(drawn(found))) == {7.0, 0.0 if partition is APART else 5.0}
        assert (drawn(found) == 7).mean() == pytest.approx(0.3, abs=0.05)


def test_the_epochs_pass_through_all_draws_of_every_image() -> None:
    seen = [np.full((5, 1, 1), draw) for draw in range(DRAWS)]
    lessons = Dropped(seen, np.zeros((DRAWS, 5, 1), bool), np.zeros((1, 1)), np.zeros(5))
    epochs = np.stack([lessons.batch(np.array([3, 1]), epoch).ravel() for epoch in range(DRAWS)])
    assert sorted(epochs[:, 0]) == sorted(epochs[:, 1]) == list(range(DRAWS))


def test_a_coarse_net_trained_with_boxes_missing_loses_less_without_its_best_box() -> None:
    """Box 0 knows nearly all and, where it sees nothing, is sure of class 0, as networks are; the others know
    something. Without training for it, the net believes box 0."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=3000)
    skill = np.array([4.0, 1.2, 1.2, 1.2])
    logits = (rng.normal(size=(3000, 4, 3)) + skill[:, None] * np.eye(3)[y][:, None]).astype(np.float32)
    seen, damaged = Labelled(logits[:2000], y[:2000]), logits[2000:]
    nothing = np.array([[6, 0, 0]] * 4, np.float32)
    damaged[:, 0] = nothing[0]
    x = np.zeros((2000, 1, 10, 10), np.uint8)
    reached = []
    for lessons in (seen, dropped(seen, x, never, blueprint(APART), nothing, share=0.4, seed=0)):
        torch.manual_seed(0)
        net = CoarseNet(4, 3, (32, 32))
        fit(net, Coarse(hidden=(32, 32), epochs=8).training, lessons, None, seed=0)
        reached.append(accuracy(predict(net, damaged), y[2000:]))
    assert reached[1] > reached[0] + 0.05


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run as far as to its trained local networks, whose boxes overlap."""
    with pytest.MonkeyPatch.context() as patch:
        return trained_run.make(tmp_path_factory.mktemp("run") / "run", patch, **{"partition.overlap": 2})


@pytest.mark.parametrize("source", ["holdout", "train", "out-of-fold"])
def test_the_step_trains_with_boxes_missing_whatever_it_learns_from(
    run: RunFolder, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCHWARZ_RUN", raising=False)
    monkeypatch.setenv("SCHWARZ_SCRATCH", str(tmp_path / "scratch"))
    c, weights = run.config, []
    folders = {"images": run.steps / "prepare_data", "shards": run.steps / "split"}
    for share in (0.0, 0.5):
        coarse = c.coarse.model_copy(update={"source": source, "folds": 2, "box_dropout": share})
        given = {"augment": c.augment, "coarse": coarse, "local": c.local, **folders}
        found = train_coarse(
            seed=0, **given, locals_=[run.steps / "train_local" / "0"], out=tmp_path / f"{source}-{share}"
        )
        weights.append(sha256(tmp_path / f"{source}-{share}" / "weights.safetensors"))
        assert 0 <= found["validation_accuracy"] <= 1
        assert np.load(tmp_path / f"{source}-{share}" / "validation.npy").shape == (40, 10)
        trained = Trained(fleet([run.steps / "train_local" / "0"]), tmp_path / f"{source}-{share}")
        assert trained.learned_from_validation("coarse") == (source == "holdout")
        if source != "out-of-fold":  # its lessons are the answers of networks that nobody keeps
            asked = load(folders["images"], "validation" if source == "holdout" else "train")
            model = trained.model("coarse")
            learned = {"accuracy": accuracy(predict(model, asked.x), asked.y), "images": len(asked)}
            assert read_json(tmp_path / f"{source}-{share}" / NETWORK)["learned"] == learned
    assert weights[0] != weights[1]
