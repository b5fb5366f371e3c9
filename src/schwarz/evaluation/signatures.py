"""The four ways in which a decomposed network fails, by document 2 ("Failure signatures"), recognised in a run.

The document names them in words; the numbers at which they count as having occurred are ours, and are told beside.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from schwarz.evaluation.answers import Answers
from schwarz.evaluation.certainty import paired, unpaired
from schwarz.evaluation.measures import accuracy

ALIKE = 0.6
"""From this mean of Cohen's kappa on local networks vary little: what is often called substantial agreement."""
SAME = 0.9
"""From this share of same answers on a low kappa proves no variance: it is low too where nearly all images are of one
class."""
GAIN = 0.01
"""A lead over the best local network that may be as large is an improvement, or may be one."""
POOR = 0.05
"""By more than this the coarse net is below what some local network knows, where it is poor."""
OVERFIT = 0.05
"""The coarse net's accuracy on what it learned from is at most so far above that on test images."""
WORDS = {
    "alike": "Low variance between local CNN outputs but poor global coarse net performance",
    "apart": "High variance between local CNN outputs with no improvement from global coarse net",
    "scaling": "Training time doesn't scale down with decomposition as expected",
    "overfitting": "Global coarse net overfits to training data but generalizes poorly",
}
"""As document 2 says it."""
REMEDIES = {
    "alike": "The local networks add little to each other: more boxes, or less overlap where boxes overlap, let them "
    "differ. Where all name one class for every image they have learned nothing: train them longer, or at another "
    "rate.",
    "apart": "The coarse net cannot tell whom to trust: let it learn from more images (a larger data.validation, or "
    "coarse.source out-of-fold, unless it is that already), or let boxes overlap, unless they do already. Where "
    "local networks are no better than chance, train them longer first.",
    "scaling": "The local networks are too small for what every step costs beside them: larger batches, or "
    "local.engine stacked, unless they are stacked already.",
    "overfitting": "Let the coarse net learn from more images (coarse.source out-of-fold, unless it is that already), "
    "for fewer epochs, or with smaller hidden layers.",
}

Curve = Mapping[str, Sequence[float]]
"""A `History`."""


@dataclass(frozen=True)
class Taught:
    """A coarse net: what it answers on test images, and how right it is on what it learned from, no box missing."""

    answers: Answers
    learned: float
    images: int
    """That it learned from."""


@dataclass(frozen=True)
class Signature:
    """One of the four; whether it has occurred, None where the run lacks what would tell."""

    name: str
    words: str
    """As the document says it."""
    occurs: bool | None
    because: str
    """The figures."""
    remedy: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def signatures(
    agreement: Mapping[str, Any] | None, coarse: Taught | None, best: Answers | None, curves: Mapping[str, Curve]
) -> list[Signature]:
    """`agreement` of the local networks; `best`: the answers on test images of the one that is best on validation;
    `curves`: histories, of local network k as "local k"."""
    return [*_variance(agreement, coarse, best), _scaling(curves), _overfitting(coarse)]


def _variance(agreement: Mapping[str, Any] | None, coarse: Taught | None, best: Answers | None) -> Iterator[Signature]:
    """The first two: the local networks answer alike, or not, and a poor coarse net is no better than the best."""
    if agreement is None or agreement["mean_kappa"] is None or coarse is None or best is None:
        for name in ("alike", "apart"):
            yield _signature(name, None, "there is no coarse net, or one box alone")
        return
    alike, lead = _alike(agreement), paired(coarse.answers.right, best.right)
    improved = True if lead.low > 0 else False if lead.high <= GAIN else None
    poor = _poor(coarse.answers, agreement["some"])
    because = (
        f"two local networks name the same class for {agreement['mean_alike']:.2f} of the images, mean kappa "
        f"{agreement['mean_kappa']:.2f} (alike from {ALIKE}); the coarse net is right on {accuracy(coarse.answers):.4f}"
        f", the local network that is best on validation on {accuracy(best):.4f}: a lead of {lead.low:+.4f} to "
        f"{lead.high:+.4f} at 95% (none, where that ends at {GAIN} or below); some local network is right on "
        f"{agreement['some']:.4f} (poor is more than {POOR} below)"
    )
    yield _signature("alike", _all(alike, _not(improved), poor), because)
    yield _signature("apart", _all(_not(alike), _not(improved), poor), because)


def _alike(agreement: Mapping[str, Any]) -> bool | None:
    if agreement["mean_kappa"] >= ALIKE:
        return True
    return None if agreement["mean_alike"] >= SAME else False


def _poor(coarse: Answers, some: float) -> bool:
    """`some`: the share of images that some local network gets right."""
    largest = float(np.bincount(coarse.y).max() / len(coarse))
    return some - accuracy(coarse) > POOR or accuracy(coarse) <= largest


def _not(known: bool | None) -> bool | None:
    return None if known is None else not known


def _all(*known: bool | None) -> bool | None:
    """False where one is; else None where one cannot be told."""
    return False if False in known else None if None in known else True


def _scaling(curves: Mapping[str, Curve]) -> Signature:
    locals_ = {name: curve for name, curve in curves.items() if name.startswith("local ")}
    if not locals_ or "global" not in curves:
        return _signature("scaling", None, "there are no local networks, or no global one")
    if len(locals_) == 1:
        return _signature("scaling", None, "one box alone divides nothing")
    slowest, whole = max(map(_epoch_s, locals_.values())), _epoch_s(curves["global"])
    because = (
        f"an epoch of the slowest local network takes {slowest:.2f} CPU-seconds, of the global network {whole:.2f}, a "
        f"share of it for each of {len(locals_)} boxes {whole / len(locals_):.2f}"
    )
    return _signature("scaling", slowest > whole / len(locals_), because)


def _epoch_s(curve: Curve) -> float:
    return curve["cpu_s"][-1] / len(curve["epoch"])


def _overfitting(coarse: Taught | None) -> Signature:
    if coarse is None:
        return _signature("overfitting", None, "there is no coarse net")
    right, tested = round(coarse.learned * coarse.images), coarse.answers
    gap, ends = coarse.learned - accuracy(tested), unpaired(right, coarse.images, int(tested.right.sum()), len(tested))
    because = (
        f"the coarse net {coarse.learned:.4f} on what it learned from, with all boxes there, {accuracy(tested):.4f} on "
        f"test images: {gap:+.4f}, 95% of it {ends.low:+.4f} to {ends.high:+.4f} (at most {OVERFIT} apart)"
    )
    occurs = False if gap <= OVERFIT else True if ends.low > 0 else None
    return _signature("overfitting", occurs, because)


def _signature(name: str, occurs: bool | None, because: str) -> Signature:
    return Signature(name, WORDS[name], occurs, because, REMEDIES[name])
