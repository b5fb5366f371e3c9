"""Figures of one set of answers: accuracy, each class, who is taken for whom, ROC, calibration.

scikit-learn's, but for the calibration error, which it has not.
"""

from typing import Any

import numpy as np
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
    top_k_accuracy_score,
)

from schwarz.evaluation.answers import Answers

TOP = 5
BINS = 10
"""Of equal width, that confidences are put in."""
POINTS = 101
"""Of a ROC curve, at most: as many as a picture of it shows."""


def accuracy(answers: Answers) -> float:
    """The share of images that are classified correctly."""
    return float(answers.right.mean())


def among_top(answers: Answers) -> float | None:
    """The share of images whose class is among the five likeliest; None where there are no more classes."""
    if answers.classes <= TOP:
        return None
    labels = range(answers.classes)
    return float(top_k_accuracy_score(answers.y, answers.probabilities, k=TOP, labels=labels))


def by_class(answers: Answers) -> list[dict[str, float]]:
    """Precision, recall and F1 of every class, and how many images it has; 0 where a class is never named, or has no
    image."""
    rows = precision_recall_fscore_support(
        answers.y, answers.named, labels=range(answers.classes),
        zero_division=0.0,  # type: ignore[arg-type]  # its stub knows "warn" alone
    )  # fmt: skip
    names = ("precision", "recall", "f1", "images")
    return [dict(zip(names, row, strict=True)) for row in np.array(rows).T.tolist()]


def confusion(answers: Answers) -> list[list[int]]:
    """Counts [right class][named class]."""
    return confusion_matrix(answers.y, answers.named, labels=range(answers.classes)).tolist()


def auc(answers: Answers) -> list[float | None]:
    """The area under the ROC curve of each class against all others; None where all images are of it, or none."""
    return [
        None if wanted.all() or not wanted.any() else float(roc_auc_score(wanted, answers.probabilities[:, c]))
        for c, wanted in ((c, answers.y == c) for c in range(answers.classes))
    ]


def roc(answers: Answers) -> dict[str, list[float]]:
    """The ROC curve of all decisions "is it of this class?" together, thinned out along its length, so that a steep
    rise is kept: the share of wrong ones that are taken, of right ones, and the probability from which on."""
    wanted = answers.y[:, None] == np.arange(answers.classes)
    curve = roc_curve(wanted.ravel(), answers.probabilities.ravel())
    at = np.unique(np.searchsorted(curve[0] + curve[1], np.linspace(0, 2, POINTS)).clip(max=len(curve[0]) - 1))
    at = np.unique(np.concatenate([[0], at, [len(curve[0]) - 1]]))
    false, true, threshold = (series[at] for series in curve)
    return {"false": false.tolist(), "true": true.tolist(), "threshold": threshold.clip(0, 1).tolist()}


def bins(confidence: np.ndarray) -> np.ndarray:
    """Which of BINS each confidence lies in."""
    return (confidence * BINS).astype(int).clip(0, BINS - 1)


def reliability(answers: Answers) -> list[dict[str, float]]:
    """Of every bin that holds images: their mean confidence, their accuracy, how many they are."""
    places = bins(answers.confidence)
    return [
        {
            "confidence": float(answers.confidence[inside].mean()),
            "accuracy": float(answers.right[inside].mean()),
            "images": int(inside.sum()),
        }
        for inside in (places == place for place in range(BINS))
        if inside.any()
    ]


def figures(answers: Answers) -> dict[str, float | None]:
    """One number each: of five classes, F1 and area under the ROC curve (means over the classes that have images),
    calibration error."""
    f1 = [row["f1"] for row in by_class(answers) if row["images"]]
    areas = [area for area in auc(answers) if area is not None]
    gaps = [row["images"] * abs(row["confidence"] - row["accuracy"]) for row in reliability(answers)]
    return {
        "top5": among_top(answers),
        "f1": float(np.mean(f1)),
        "auc": float(np.mean(areas)) if areas else None,
        "ece": sum(gaps) / len(answers),
    }


def details(answers: Answers) -> dict[str, Any]:
    """Of every class, of every bin of confidences, and the ROC curve."""
    classes = [row | {"auc": area} for row, area in zip(by_class(answers), auc(answers), strict=True)]
    return {"by_class": classes, "reliability": reliability(answers), "roc": roc(answers)}
