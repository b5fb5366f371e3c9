"""Loss of subdomains: what is measured is what the exported model would say of the damaged image."""

import numpy as np
import pytest
import torch

from benchmarks.lost_boxes_told import tell
from schwarz.blueprint import Blueprint
from schwarz.coherent import Divided, Whole
from schwarz.combine import Average
from schwarz.config import Network
from schwarz.evaluation import Damaged, blank, loss_of_boxes
from schwarz.evaluation.missing import _dearest, _steadiest
from schwarz.partition import Partition
from schwarz.training import accuracy, predict

PARTITIONS = [Partition.grid((12, 12), (2, 2)), Partition.grid((12, 12), (2, 2), overlap=2)]


def blueprint(partition: Partition, mean_image: np.ndarray | None = None) -> Blueprint:
    network = Network(family="cnn5")
    return Blueprint(network, partition, (1, 10, 10), 1, (0.25,), (0.5,), 3, mean_image)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(9, 1, 10, 10)).astype(np.uint8)


@pytest.mark.parametrize("partition", PARTITIONS, ids=["apart", "overlapping"])
def test_asking_each_local_network_is_asking_the_model_of_the_damaged_image(
    partition: Partition, images: np.ndarray
) -> None:
    plan = blueprint(partition)
    divided = plan.divided([each.eval() for each in plan.local_networks(0)], Average())
    whole = plan.whole(plan.global_network(0).eval())
    y = predict(divided, images).argmax(-1).numpy()
    found = loss_of_boxes({"average": divided, "global": whole}, plan, images, y, seed=0)
    damaged = Damaged(images, plan)
    for name, model in {"average": divided, "global": whole}.items():
        direct = [accuracy(predict(model, damaged.whole((k,))), y) for k in range(4)]
        assert found["without"][name] == direct
        assert found["strategies"][name][1]["mean"] == pytest.approx(np.mean(direct))
    assert found["strategies"]["average"][0] == {"mean": 1, "worst": 1, "best": 1}  # with no box missing
    assert found["subsets"] == [4, 6, 4]
    assert found["dearest"]["average"]["box"] == np.argmin(found["without"]["average"])
    assert found["dearest"]["average"]["loss"] == pytest.approx(1 - min(found["without"]["average"]))


def test_the_study_tells_differences_over_images_and_over_seeds() -> None:
    """Of 1,000 images a share of 0.5 costs 17, 5 and 6 with one seed each."""
    image = np.arange(1000)

    def seed(lost: int) -> dict[str, dict[str, list[np.ndarray]]]:
        wrong = {"average": 400, "coarse 0": 380, "coarse 0.5": 380 + lost}
        right = {name: [(image >= n)[None], *[(image >= 500)[None]] * 3] for name, n in wrong.items()}
        return {name: {"test": rows, "validation": rows} for name, rows in right.items()}

    words = "\n".join(tell([seed(17), seed(5), seed(6)]))
    assert "[-0.017 -0.005 -0.006: -0.026 to +0.007]" in words
    assert "[-0.017 -0.005]" in "\n".join(tell([seed(17), seed(5)]))  # two are too few


def test_the_best_without_boxes_is_told_apart_from_the_next_where_the_images_tell_them() -> None:
    """Three models of four boxes, two of them nearly alike; of one the loss of box 2 costs most, then of box 0."""
    rng = np.random.default_rng(0)

    def some(*shares: float) -> np.ndarray:
        return rng.random((len(shares), 2000)) < np.array(shares)[:, None]

    whole, alone = some(0.9), some(0.70, 0.9, 0.69, 0.9)
    models = {"steady": 0.602, "level": 0.6, "poor": 0.3}
    right = {name: [whole, alone, some(*[share] * 6), some(*[0.2] * 4)] for name, share in models.items()}
    found = _steadiest(right)
    assert (found["missing"], {found["strategy"], found["next"]}) == (2, {"steady", "level"})
    assert found["low"] < 0 < found["lead"] < found["high"] < 0.03
    assert _steadiest({name: right[name] for name in ("steady", "poor")})["low"] > 0.25
    assert _steadiest({"poor": right["poor"]}) == {"missing": 2, "strategy": "poor", "next": None}
    near = _dearest(whole[0], alone)
    assert ({near["box"], near["next"]}, near["told_apart"]) == ({0, 2}, False)
    assert 0 < near["low"] < near["loss"] < near["high"] < 0.25
    assert _dearest(whole[0], alone[1:])["told_apart"]


def test_a_missing_box_has_the_training_mean_and_all_else_is_as_it_was(images: np.ndarray) -> None:
    plan = blueprint(PARTITIONS[0])
    damaged = Damaged(images, plan).whole((1,))
    assert (damaged[:, :, :5, 5:] == round(255 * 0.25)).all()
    kept = np.ones((10, 10), bool)
    kept[:5, 5:] = False
    assert (damaged[..., kept] == images[..., kept]).all()
    assert Damaged(images, plan).without(())[:, :, 0].max() == 0  # the padding


def test_each_image_can_lack_boxes_of_its_own(images: np.ndarray) -> None:
    damaged = Damaged(images, blueprint(PARTITIONS[1]))
    gone = np.random.default_rng(0).random((9, 4)) < 0.5
    found = damaged.each_without(gone)
    for k, lacking in enumerate(gone):
        assert (found[k] == damaged.whole(tuple(np.flatnonzero(lacking).tolist()))[k]).all()


def test_a_mean_of_each_pixel_is_what_a_missing_box_shows(images: np.ndarray) -> None:
    mean = np.linspace(0, 1, 100).reshape(1, 10, 10)
    plan = blueprint(PARTITIONS[0], mean)
    assert (Damaged(images, plan).whole((0, 1, 2, 3)) == np.rint(255 * mean)).all()
    assert blank(plan).shape == (1, 1, 10, 10)


def test_what_damages_a_divided_model_is_asked_once_for_each_view(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two views of each box where boxes are apart: there, and gone."""
    plan, asked = blueprint(PARTITIONS[0]), list[Whole | Divided]()

    def counted(model: Whole | Divided, x: np.ndarray) -> torch.Tensor:
        asked.append(model)
        return predict(model, x)

    monkeypatch.setattr("schwarz.evaluation.missing.predict", counted)  # counts what is asked, and asks it
    divided = plan.divided([each.eval() for each in plan.local_networks(0)], Average())
    loss_of_boxes({"average": divided}, plan, images, np.zeros(9, np.int64), seed=0)
    assert len(asked) == 2 * 4
