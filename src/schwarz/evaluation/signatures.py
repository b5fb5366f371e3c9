"""The four ways in which a decomposed network fails, by document 2 ("Failure signatures"), recognised in a run.

The document names them in words; the numbers at which they count as having occurred are ours, and are told beside.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from schwarz.evaluation.answers import Answers
from schwarz.evaluation.certainty import SURE, mcnemar
from schwarz.evaluation.measures import accuracy

ALIKE = 0.6
"""From this mean of Cohen's kappa on local networks vary little: what is often called substantial agreement."""
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
    "alike": "The local networks have learned the same: more boxes, or boxes with less overlap, let them differ.",
    "apart": "The coarse net cannot tell whom to trust: let it learn from more images (a larger data.validation, or "
    "coarse.source out-of-fold), or let boxes overlap.",
    "scaling": "The local networks are too small for what every step costs beside them: larger batches, or "
    "local.engine stacked.",
    "overfitting": "Let the coarse net learn from more images (coarse.source out-of-fold), for fewer epochs, or with "
    "smaller hidden layers.",
}

Curve = Mapping[str, Sequence[float]]
"""A `History`."""


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
    kappa: float | None, coarse: Answers | None, locals_: Sequence[Answers], curves: Mapping[str, Curve]
) -> list[Signature]:
    """`kappa`: the mean over pairs of local networks; answers on test images; `curves`: histories, of local network k
    as "local k"."""
    return [*_variance(kappa, coarse, locals_), _scaling(curves), _overfitting(coarse, curves)]


def _variance(kappa: float | None, coarse: Answers | None, locals_: Sequence[Answers]) -> Iterator[Signature]:
    """The first two: the local networks answer alike, or not, and the coarse net is no better than the best of them."""
    known = kappa is not None and coarse is not None
    if kappa is not None and coarse is not None:
        best = max(locals_, key=accuracy)
        improved = _better(coarse, best)
        because = (
            f"mean kappa of the local networks {kappa:.2f} (alike from {ALIKE}); the coarse net {accuracy(coarse):.4f}"
            f", {'better' if improved else 'not surely better'} than the best of them, {accuracy(best):.4f}"
        )
    else:
        improved, because = True, "there is no coarse net, or one box alone"
    for name, alike in (("alike", True), ("apart", False)):
        occurs = None if kappa is None or not known else not improved and (kappa >= ALIKE) == alike
        yield _signature(name, occurs, because)


def _better(one: Answers, other: Answers) -> bool:
    only, others = int((one.right & ~other.right).sum()), int((other.right & ~one.right).sum())
    return only > others and mcnemar(only, others) < SURE


def _scaling(curves: Mapping[str, Curve]) -> Signature:
    locals_ = {name: curve for name, curve in curves.items() if name.startswith("local ")}
    if not locals_ or "global" not in curves:
        return _signature("scaling", None, "there are no local networks, or no global one")
    slowest, whole = max(map(_epoch_s, locals_.values())), _epoch_s(curves["global"])
    because = (
        f"an epoch of the slowest local network takes {slowest:.2f} CPU-seconds, of the global network {whole:.2f}, a "
        f"share of it for each of {len(locals_)} boxes {whole / len(locals_):.2f}"
    )
    return _signature("scaling", slowest > whole / len(locals_), because)


def _epoch_s(curve: Curve) -> float:
    return curve["cpu_s"][-1] / len(curve["epoch"])


def _overfitting(coarse: Answers | None, curves: Mapping[str, Curve]) -> Signature:
    if coarse is None or "coarse" not in curves:
        return _signature("overfitting", None, "there is no coarse net")
    learned, tested = curves["coarse"]["train_accuracy"][-1], accuracy(coarse)
    because = (
        f"the coarse net {learned:.4f} on what it learned from, {tested:.4f} on test images (at most {OVERFIT} apart)"
    )
    return _signature("overfitting", learned - tested > OVERFIT, because)


def _signature(name: str, occurs: bool | None, because: str) -> Signature:
    return Signature(name, WORDS[name], occurs, because, REMEDIES[name])
