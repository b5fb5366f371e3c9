"""How sure the figures are: intervals, and whether two strategies differ.

All strategies answer the same images, so that a difference of two is paired, and much surer than its two ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import hypot, sqrt
from typing import Any

import numpy as np
from scipy.stats import binomtest, bootstrap

from schwarz.evaluation.answers import Answers
from schwarz.evaluation.measures import BINS, bins
from schwarz.intervals import Z95

RESAMPLES = 2000
BATCH = 50
"""Resamples in memory at a time."""
LEVEL = 0.95
SURE = 0.05


@dataclass(frozen=True)
class Interval:
    """95% of the resamples lie within."""

    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """How much better `a` is than `b` on the same images."""

    a: str
    b: str
    difference: float
    """Of the accuracies."""
    low: float
    high: float
    only_a: int
    """Images that `a` alone classifies correctly."""
    only_b: int
    p: float
    """By McNemar's exact test: how probable so uneven a pair of counts is where neither is better."""

    @property
    def differ(self) -> bool:
        return self.p < SURE

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def wilson(right: int, n: int) -> Interval:
    """Wilson's interval of a share: right for small n and near 0 and 1, where resampling is not."""
    found = binomtest(right, n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high))


def intervals(answers: Mapping[str, Answers], seed: int) -> dict[str, dict[str, Interval]]:
    """Of every strategy the ranges of `f1` and `ece`."""
    names = list(answers)
    counted = _Counted([answers[name] for name in names])
    found = bootstrap(
        (np.arange(len(counted)),), counted.resampled, n_resamples=RESAMPLES, batch=BATCH, method="percentile",
        confidence_level=LEVEL, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    rows = [Interval(*map(float, ends)) for ends in zip(found.low, found.high, strict=True)]
    return {name: {"f1": rows[k], "ece": rows[len(names) + k]} for k, name in enumerate(names)}


def pairs(answers: Mapping[str, Answers]) -> list[Pair]:
    """Of every two the difference of their accuracies."""
    return [_pair(a, b, answers[a].right, answers[b].right) for a, b in combinations(answers, 2)]


def paired(first: np.ndarray, second: np.ndarray) -> Interval:
    """95% of the difference of two shares of the same images, by Newcombe's score interval for paired data (1998,
    method 10): it stays honest where the two differ on a handful of images, or on none, as resampling does not."""
    n = len(first)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    a, b = int(first.sum()), int(second.sum())
    ends = [(wilson(right, n), right / n) for right in (a, b)]
    (one, p), (other, q) = ends
    product = (n - a) * (n - b) * a * b
    agreeing = both * neither - (a - both) * (b - both)
    agreeing = max(agreeing - n / 2, 0) if agreeing > 0 else agreeing
    phi = agreeing / sqrt(product) if product else 0.0

    def reach(down: float, up: float) -> float:
        return sqrt(max(down**2 - 2 * phi * down * up + up**2, 0.0))

    return Interval(p - q - reach(p - one.low, other.high - q), p - q + reach(one.high - p, q - other.low))


def unpaired(right: int, n: int, other: int, m: int) -> Interval:
    """95% of the difference of two shares of different images, by the same author's score interval (1998, method 10
    for independent ones)."""
    one, two, p, q = wilson(right, n), wilson(other, m), right / n, other / m
    return Interval(p - q - hypot(p - one.low, two.high - q), p - q + hypot(one.high - p, q - two.low))


def mean_of(values: np.ndarray) -> Interval:
    """95% of the mean of one value an image, of hundreds."""
    half = Z95 * float(values.std(ddof=1)) / sqrt(len(values))
    return Interval(float(values.mean()) - half, float(values.mean()) + half)


def mcnemar(only_a: int, only_b: int) -> float:
    """The p of McNemar's exact test; 1 where the two never disagree."""
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def _pair(a: str, b: str, first: np.ndarray, second: np.ndarray) -> Pair:
    only_a, only_b, ends = int((first & ~second).sum()), int((second & ~first).sum()), paired(first, second)
    difference = (only_a - only_b) / len(first)
    return Pair(a, b, difference, ends.low, ends.high, only_a, only_b, mcnemar(only_a, only_b))


class _Counted:
    """What the figures of a resample are made of: sums over its images of what is known of each."""

    def __init__(self, all_: Sequence[Answers]) -> None:
        self.all_, self.classes = all_, all_[0].classes
        hot = np.eye(self.classes)
        self.of_class = hot[all_[0].y]
        self.columns = [self._columns(answers, hot) for answers in all_]

    def __len__(self) -> int:
        return len(self.of_class)

    def _columns(self, answers: Answers, hot: np.ndarray) -> np.ndarray:
        """[n, 2K + bins]: right and of each class; each class named; how much too sure, by bin."""
        right = answers.right[:, None]
        sure = np.eye(BINS)[bins(answers.confidence)]
        sure *= (answers.confidence - answers.right)[:, None]
        return np.concatenate([right * self.of_class, hot[answers.named], sure], 1)

    def resampled(self, rows: np.ndarray, axis: int) -> np.ndarray:
        """The figures [2S, resamples] of resampled images [resamples, n]: F1, of the classes that were drawn, then
        calibration errors."""
        times = np.stack([np.bincount(each, minlength=len(self)) for each in np.atleast_2d(rows)])
        images = times @ self.of_class
        sums = [times @ columns for columns in self.columns]
        n, k = len(self), self.classes
        there = (images > 0).sum(1)  # a class that is not has an F1 of 0
        f1 = [_f1(each[:, :k], each[:, k : 2 * k], images).sum(1) / there for each in sums]
        ece = [np.abs(each[:, 2 * k :]).sum(1) / n for each in sums]
        return np.stack([*f1, *ece])


def _f1(hits: np.ndarray, named: np.ndarray, images: np.ndarray) -> np.ndarray:
    """2 hits / (named + images) of each class; 0 where it is neither named nor there."""
    return 2 * hits / np.maximum(named + images, 1)
