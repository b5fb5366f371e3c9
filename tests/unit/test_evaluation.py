"""What `schwarz.evaluation` says of answers, beside the same by hand."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from schwarz import evaluation
from schwarz.evaluation import Answers, Taught
from schwarz.evaluation.certainty import unpaired
from schwarz.evaluation.measures import BINS, auc, reliability, roc
from schwarz.evaluation.missing import SUBSETS, subsets


def answers(named: list[int], y: list[int], K: int = 3, sure: float = 0.8) -> Answers:
    """These classes named, each with the same confidence."""
    rest = (1 - sure) / (K - 1)
    return Answers(np.eye(K)[named] * (sure - rest) + rest, np.array(y))


def random_answers(seed: int, n: int = 400, K: int = 4, skill: float = 2.0) -> Answers:
    rng = np.random.default_rng(seed)
    y = np.random.default_rng(99).integers(K, size=n)
    scores = rng.normal(size=(n, K)) + skill * np.eye(K)[y]
    return Answers(np.exp(scores) / np.exp(scores).sum(1, keepdims=True), y)


def test_figures_of_each_class_by_hand() -> None:
    found = evaluation.by_class(answers([0, 0, 1, 1, 1], [0, 1, 1, 1, 2]))
    assert found[0] == pytest.approx({"precision": 1 / 2, "recall": 1, "f1": 2 / 3, "images": 1})
    assert found[1] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "images": 3})
    assert found[2] == {"precision": 0, "recall": 0, "f1": 0, "images": 1}  # never named
    assert evaluation.confusion(answers([0, 0, 1, 1, 1], [0, 1, 1, 1, 2])) == [[1, 0, 0], [1, 2, 0], [0, 1, 0]]


def test_calibration_error_by_hand() -> None:
    mixed = Answers(np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.35, 0.65]]), np.array([0, 1, 1, 1]))
    assert evaluation.figures(mixed)["ece"] == pytest.approx((2 * abs(0.95 - 0.5) + 2 * abs(0.65 - 1)) / 4)
    assert [row["images"] for row in reliability(mixed)] == [2, 2]
    assert evaluation.figures(Answers(np.array([[1.0, 0.0]]), np.array([0])))["ece"] == 0  # the last bin holds 1


def test_area_under_roc_is_the_share_of_pairs_in_order() -> None:
    some = random_answers(1, n=60)
    for c, area in enumerate(auc(some)):
        inside, outside = some.probabilities[some.y == c, c], some.probabilities[some.y != c, c]
        pairs = inside[:, None] - outside[None]
        assert area == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_roc_goes_from_nothing_to_all_and_is_small() -> None:
    curve = roc(random_answers(2, n=3000))
    for series in (curve["false"], curve["true"]):
        assert series[0] == 0
        assert series[-1] == 1
        assert np.all(np.diff(series) >= 0)
    assert len(curve["true"]) < 110
    assert all(0 <= value <= 1 for value in curve["threshold"])  # Kubeflow's metadata takes no infinity


@pytest.mark.parametrize("skill", [2.0, 6.0, 40.0], ids=["good", "very good", "perfect"])
def test_the_curve_that_is_drawn_has_the_area_of_the_whole_one(skill: float) -> None:
    some = random_answers(2, n=3000, skill=skill)
    curve = roc(some)
    wanted = (some.y[:, None] == np.arange(some.classes)).ravel()
    whole = roc_auc_score(wanted, some.probabilities.ravel())
    assert np.trapezoid(curve["true"], curve["false"]) == pytest.approx(whole, abs=0.001)


def test_a_class_that_no_image_has_is_left_out_of_the_mean_area() -> None:
    only = answers([0, 1, 1], [0, 1, 1], K=4)
    assert auc(only)[2:] == [None, None]
    assert evaluation.figures(only)["auc"] == 1
    assert evaluation.figures(only)["f1"] == 1
    assert auc(Answers(np.eye(2)[[0, 0]], np.array([0, 0]))) == [None, None]
    assert evaluation.figures(Answers(np.eye(2)[[0, 0]], np.array([0, 0])))["auc"] is None


@pytest.mark.parametrize(("K", "share"), [(6, 0.75), (5, None), (2, None)])
def test_of_few_classes_all_are_among_the_five_likeliest(K: int, share: float | None) -> None:
    rising = np.arange(1, K + 1) / sum(range(1, K + 1))  # the first class is last
    assert evaluation.among_top(Answers(np.tile(rising, (4, 1)), np.array([0, 1, 1, 1]))) == share


def test_a_pair_is_measured_on_the_same_images() -> None:
    """Two that are right on nearly the same images are told apart by few, which their own intervals never would."""
    one = random_answers(3, n=2000)
    named = one.named.copy()
    at = np.flatnonzero(one.right)[:30]
    named[at] = (named[at] + 1) % one.classes
    other = Answers(np.eye(one.classes)[named], one.y)
    (pair,) = evaluation.pairs({"one": one, "other": other})
    assert (pair.only_a, pair.only_b, pair.difference) == (30, 0, pytest.approx(30 / 2000))
    assert 0 < pair.low < pair.difference < pair.high < 0.025
    assert pair.p == pytest.approx(2 * 0.5**30)
    alone = [evaluation.wilson(int(each.right.sum()), 2000) for each in (one, other)]
    assert alone[0].low < alone[1].high  # they overlap


def test_intervals_hold_what_is_measured_and_have_its_width() -> None:
    some = {f"s{seed}": random_answers(seed, n=1000) for seed in range(3)}
    found = evaluation.intervals(some, seed=0)
    for name, each in some.items():
        figures = evaluation.figures(each)
        assert figures["f1"] is not None
        assert found[name]["f1"].low < figures["f1"] < found[name]["f1"].high
        p = each.right.mean()
        assert found[name]["f1"].high - found[name]["f1"].low == pytest.approx(
            2 * 1.96 * np.sqrt(p * (1 - p) / 1000), rel=0.2
        )
    assert evaluation.intervals(some, seed=0) == found
    assert [(pair.a, pair.b) for pair in evaluation.pairs(some)] == list(combinations(some, 2))


def test_f1_of_rare_classes_lies_within_its_interval() -> None:
    """Of fifty classes most resamples lack some, which is no fault of the answers."""
    y = np.arange(100) % 50
    some = Answers(np.eye(50)[np.where(np.arange(100) < 80, y, (y + 1) % 50)], y)
    found = evaluation.intervals({"some": some}, seed=0)["some"]["f1"]
    f1 = evaluation.figures(some)["f1"]
    assert f1 is not None
    assert found.low < f1 < found.high


def test_resampled_figures_are_those_of_the_images_drawn() -> None:
    from schwarz.evaluation.certainty import _Counted

    some = [random_answers(seed, n=50) for seed in (5, 6)]
    rows = np.random.default_rng(0).integers(50, size=(3, 50))
    found = _Counted(some).resampled(rows, axis=-1)
    for place, row in enumerate(rows):
        drawn = [Answers(each.probabilities[row], each.y[row]) for each in some]
        figures = [evaluation.figures(each) for each in drawn]
        wanted = [each["f1"] for each in figures] + [each["ece"] for each in figures]
        assert found[:, place] == pytest.approx(wanted)


def test_agreement_by_hand() -> None:
    locals_ = [
        answers([0, 1, 2, 0], [0, 1, 2, 1]),
        answers([0, 1, 2, 0], [0, 1, 2, 1]),
        answers([1, 1, 1, 1], [0, 1, 2, 1]),
    ]
    found = evaluation.agreement(locals_)
    assert found["kappa"][0][1] == 1
    assert found["kappa"][0][2] == 0  # who always says one thing agrees by chance alone
    assert found["mean_kappa"] == pytest.approx(1 / 3)
    assert (found["some"], found["all"]) == (1, 0.25)
    same = [answers([1, 1], [0, 1])] * 2
    assert evaluation.agreement(same)["mean_kappa"] == 1
    assert evaluation.agreement(same[:1])["mean_kappa"] is None


def test_choices_of_missing_boxes() -> None:
    assert subsets(4, 1, 0) == [(0,), (1,), (2,), (3,)]
    assert len(subsets(4, 2, 0)) == 6
    assert len(subsets(16, 1, 0)) == 16
    many = subsets(16, 8, 0)
    assert len(set(many)) == SUBSETS
    assert all(len(set(some)) == 8 for some in many)
    assert many == subsets(16, 8, 0) != subsets(16, 8, 1)


Curve = dict[str, list[float]]
SIGNS = ("alike", "apart", "scaling", "overfitting")


def curve(cpu_s: float, epochs: int = 2) -> Curve:
    return {"epoch": [*range(1, epochs + 1)], "cpu_s": [cpu_s * k / epochs for k in range(1, epochs + 1)]}


FINE = {"local 0": curve(1.0), "local 1": curve(1.1), "global": curve(4.0)}


def named(right: np.ndarray, y: np.ndarray, K: int) -> Answers:
    """Right there, else the next class is named."""
    return Answers(np.eye(K)[np.where(right, y, (y + 1) % K)], y)


def told(
    coarse: Answers | None, locals_: list[Answers], curves: dict[str, Curve] = FINE, learned: float | None = None,
    images: int = 2000, best: int = 0,
) -> dict[str, bool | None]:  # fmt: skip
    """Which signatures occur; unless said otherwise the coarse net is as good on what it learned from."""
    taught = None
    if coarse:
        taught = Taught(coarse, evaluation.accuracy(coarse) if learned is None else learned, images)
    agreement = evaluation.agreement(locals_) if locals_ else None
    signs = evaluation.signatures(agreement, taught, locals_[best] if locals_ else None, curves)
    return {sign.name: sign.occurs for sign in signs}


def test_each_failure_signature_of_document_2_is_named_when_it_occurs_and_only_then() -> None:
    weak, other = random_answers(1, n=2000, skill=0.8), random_answers(4, n=2000, skill=0.8)
    strong, y = random_answers(2, n=2000, skill=2.5), random_answers(2, n=2000).y
    none = dict.fromkeys(SIGNS, False)
    assert told(strong, [weak, other]) == none
    assert told(weak, [weak, other]) == none | {"apart": True}
    rng = np.random.default_rng(0)
    most = np.arange(2000) < 1600
    near = [named(most ^ (rng.random(2000) < 0.1), y, 4) for _ in range(2)]
    assert evaluation.agreement(near)["mean_kappa"] > 0.6
    assert told(named(np.arange(2000) < 1400, y, 4), near) == none | {"alike": True}
    assert told(strong, [weak, other], FINE | {"local 1": curve(2.1)}) == none | {"scaling": True}
    assert told(strong, [weak, other], learned=0.99) == none | {"overfitting": True}


def test_what_cannot_be_told_is_not_called_fine_and_what_is_fine_no_failure() -> None:
    y = np.arange(60) % 4
    good = named(np.arange(60) < 45, y, 4)
    assert told(None, [], {"global": curve(1.0)}) == dict.fromkeys(SIGNS)
    perfect = named(np.ones(60, bool), y, 4)
    assert told(perfect, [perfect, perfect]) == dict.fromkeys(SIGNS, False)  # nothing was to be gained
    varied = [named(np.roll(good.right, shift), y, 4) for shift in (0, 20)]
    assert told(named(np.arange(60) < 48, y, 4), varied)["apart"] is None  # five points above, on sixty images
    assert told(perfect, [perfect], {"local 0": curve(1.0), "global": curve(1.0)})["scaling"] is None  # with itself
    assert told(good, varied, learned=0.82, images=60)["overfitting"] is None  # seven points, of sixty images each


def test_a_low_kappa_of_answers_that_are_nearly_all_the_same_is_no_variance() -> None:
    """Of two classes one has three images in a hundred."""
    y, rng = (np.arange(2000) % 100 < 3).astype(int), np.random.default_rng(0)
    locals_ = [Answers(np.eye(2)[(rng.random(2000) < 0.03).astype(int)], y) for _ in range(2)]
    found = evaluation.agreement(locals_)
    assert found["mean_kappa"] < 0.1
    assert found["mean_alike"] > 0.9
    assert told(locals_[0], locals_)["apart"] is None


def test_what_names_one_class_for_all_images_is_poor() -> None:
    same = answers([0] * 2000, (np.arange(2000) % 3).tolist())
    assert told(same, [same, same])["alike"]


def test_shares_of_different_images_by_newcombes_own_example() -> None:
    """56 of 70 against 48 of 80."""
    found = unpaired(56, 70, 48, 80)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_bins_hold_every_confidence() -> None:
    from schwarz.evaluation.measures import bins

    assert bins(np.array([0.0, 0.05, 0.1, 0.999, 1.0])).tolist() == [0, 0, 1, BINS - 1, BINS - 1]
