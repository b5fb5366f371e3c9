"""The gate: who passes it, who does not, and with which numbers."""

import numpy as np
import pytest

from schwarz.evaluation import paired
from schwarz.evaluation.gate import Examined, Rules, decide

N = 2000
Y = np.arange(N) % 10


def outcome(wrong: range, y: np.ndarray = Y, md5: str = "a" * 32, *, chosen_on_test: bool = False) -> Examined:
    """A model that is wrong on these images alone."""
    right = np.ones(len(y), bool)
    right[list(wrong)] = False
    return Examined.of(md5, y, right, chosen_on_test=chosen_on_test)


def test_a_better_one_passes_and_a_worse_one_does_not() -> None:
    good, bad = outcome(range(100)), outcome(range(50, 250))
    passed = decide(good, bad, 1.0, Rules())
    assert passed.promoted
    assert (passed.difference, passed.only_challenger, passed.only_champion) == (pytest.approx(0.05), 150, 50)
    assert passed.low is not None
    assert passed.high is not None
    assert 0.03 < passed.low < 0.05 < passed.high < 0.07
    refused = decide(bad, good, 1.0, Rules())
    assert not refused.promoted
    assert refused.low == pytest.approx(-passed.high, abs=0.003)
    assert "is not above 0" in refused.because


def test_a_lead_that_may_be_chance_does_not_pass_unless_the_margin_covers_it() -> None:
    a, b = outcome(range(95)), outcome(range(90, 190))
    assert not decide(a, b, 1.0, Rules()).promoted
    assert decide(a, b, 1.0, Rules(margin=0.02)).promoted
    worse = outcome(range(85, 200))
    assert not decide(worse, a, 1.0, Rules(margin=0.01)).promoted


def test_a_tie_keeps_the_champion() -> None:
    same = outcome(range(100))
    found = decide(same, outcome(range(100)), 1.0, Rules())
    assert (found.promoted, found.difference, found.p) == (False, 0, 1)
    assert found.low is not None
    assert -0.003 < found.low < 0  # no image tells them apart, of two thousand: they may differ on a few others
    assert not decide(same, outcome(range(100)), 1.0, Rules(margin=0.0001)).promoted
    assert decide(same, outcome(range(100)), 1.0, Rules(margin=0.005)).promoted


@pytest.mark.parametrize("more", [1, 2, 3, 4, 5])
def test_a_handful_of_images_proves_nothing(more: int) -> None:
    """Of resamples 98 in 100 hold one of four images: that would call it sure, where McNemar's p is 0.125."""
    found = decide(outcome(range(100)), outcome(range(100 + more)), 1.0, Rules())
    assert not found.promoted
    assert found.p is not None
    assert found.p > 0.05


def test_a_slow_one_does_not_pass_however_good() -> None:
    good, bad = outcome(range(100)), outcome(range(50, 250))
    found = decide(good, bad, 1.3, Rules())
    assert not found.promoted
    assert "1.30 times the champion's time" in found.because
    assert decide(good, bad, 1.3, Rules(slower=1.5)).promoted


def test_the_first_passes_and_other_test_images_do_not() -> None:
    assert decide(outcome(range(1999)), None, None, Rules()).promoted
    champion = outcome(range(900))
    for other in (outcome(range(10), md5="b" * 32), outcome(range(10), y=Y[::-1]), outcome(range(10), y=Y[:-1])):
        found = decide(other, champion, 1.0, Rules())
        assert not found.promoted
        assert "other images" in found.because
        assert found.difference is None


def test_one_that_the_test_images_chose_passes_only_where_there_is_no_champion() -> None:
    flattered, champion = outcome(range(10), chosen_on_test=True), outcome(range(900))
    found = decide(Examined.from_json(flattered.to_json()), champion, 1.0, Rules())
    assert (found.promoted, found.difference) == (False, None)
    assert "chosen by the test images" in found.because
    assert "--force" in found.because
    assert decide(outcome(range(10)), outcome(range(900), chosen_on_test=True), 1.0, Rules()).promoted
    assert decide(flattered, None, None, Rules()).promoted
    kept_before = {name: value for name, value in flattered.to_json().items() if name != "chosen_on_test"}
    assert not Examined.from_json(kept_before).chosen_on_test


def test_what_is_kept_of_a_test_comes_back_as_it_was_and_is_small() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 7, 8, 10_000):
        kept = Examined.of("a" * 32, np.zeros(n, np.int64), rng.random(n) < 0.8)
        again = Examined.from_json(kept.to_json())
        assert again.right.tolist() == kept.right.tolist()
        assert (again.data_md5, again.classes_sha256) == (kept.data_md5, kept.classes_sha256)
        assert len(kept.to_json()["right"]) < n / 5 + 8


def test_of_twenty_challengers_that_are_no_better_one_passes_by_chance_in_a_quarter_of_series() -> None:
    """All are right on an image with one probability: what docs/serving.md says of a test set used over and over."""
    rng, rounds = np.random.default_rng(0), 200

    def asked(p: np.ndarray) -> Examined:
        return Examined("a" * 32, "", rng.random(N) < p)

    def passes() -> bool:
        p = np.where(rng.random(N) < 0.8, 0.99, 0.55)
        champion = asked(p)
        return any(decide(asked(p), champion, 1.0, Rules()).promoted for _ in range(20))

    assert sum(passes() for _ in range(rounds)) / rounds == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize(("n", "discordant"), [(2000, 0.01), (500, 0.02), (800, 0.3)])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(n: int, discordant: float) -> None:
    """Also of models that differ on a handful of images: at least 95 of 100 times, give or take."""
    rng, inside, rounds = np.random.default_rng(1), 0, 400
    shares = [0.85 * (1 - discordant), 0.7 * discordant, 0.3 * discordant]
    for _ in range(rounds):
        kind = rng.choice(4, n, p=[*shares, 1 - sum(shares)])
        found = paired((kind == 0) | (kind == 1), (kind == 0) | (kind == 2))
        inside += found.low <= 0.4 * discordant <= found.high
    assert inside >= 0.93 * rounds


def test_the_interval_is_that_of_newcombes_method_by_hand() -> None:
    """1 image both, 1 the challenger alone, 7 the champion alone, 12 neither: 2 and 8 of 21, whose Wilson intervals are
    0.0265 to 0.2891 and 0.2075 to 0.5912. Corrected for continuity their correlation is 0 (1 * 12 - 1 * 7 < 21 / 2), so
    that the ends lie sqrt(0.0687^2 + 0.2102^2) below and sqrt(0.1939^2 + 0.1735^2) above -6 / 21."""
    kind = np.repeat(np.arange(4), (1, 1, 7, 12))
    found = paired(kind <= 1, kind % 2 == 0)
    assert (found.low, found.high) == (pytest.approx(-0.5069, abs=2e-4), pytest.approx(-0.0255, abs=2e-4))


def test_the_numbers_stand_on_the_version() -> None:
    told = decide(outcome(range(100)), outcome(range(50, 250)), 1.04, Rules()).tags()
    assert told["gate.promoted"] == "True"
    assert told["gate.difference"] == "0.05"
    assert told["gate.slowness"] == "1.04"
    names = ("promoted", "because", "difference", "low", "high", "only_challenger", "only_champion", "p", "slowness")
    assert set(told) == {f"gate.{name}" for name in names}
