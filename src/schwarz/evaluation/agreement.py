"""How much local networks agree, and how much they know together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import cohen_kappa_score

from schwarz.evaluation.answers import Answers


def agreement(locals_: Sequence[Answers]) -> dict[str, Any]:
    """Cohen's kappa of every two (1: always the same answer; 0: as often as chance would have it) and its mean; beside
    it the mean share of images that two answer alike, for kappa is low too where nearly all are of one class; the share
    of images that some local network classifies correctly, the most that picking one could give, and that all
    do."""
    right, named = (np.stack([getattr(answers, which) for answers in locals_]) for which in ("right", "named"))
    labels = range(locals_[0].classes)
    kappa = np.eye(len(locals_))
    for i in range(len(locals_)):
        for j in range(i):
            kappa[i, j] = kappa[j, i] = _kappa(locals_[i].named, locals_[j].named, labels)
    pairs = ~np.eye(len(locals_), dtype=bool)
    alike = (named[:, None] == named).mean(-1)[pairs]
    return {
        "kappa": kappa.tolist(),
        "mean_kappa": float(kappa[pairs].mean()) if pairs.any() else None,
        "mean_alike": float(alike.mean()) if pairs.any() else None,
        "some": float(right.any(0).mean()),
        "all": float(right.all(0).mean()),
    }


def _kappa(one: np.ndarray, other: np.ndarray, labels: range) -> float:
    """Of two that give one and the same answer always it is 0 by 0: they agree."""
    if (one == one[0]).all() and (other == one[0]).all():
        return 1.0
    return float(cohen_kappa_score(one, other, labels=labels))
