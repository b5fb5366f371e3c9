"""Whether a challenger becomes the champion: better at 95% on the same test images, give or take a margin, and not too
slow."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from schwarz.evaluation.certainty import mcnemar, paired


@dataclass(frozen=True)
class Examined:
    """What a model got right: on which test images, and on which of them."""

    data_md5: str
    classes_sha256: str
    """Of the right classes of the test images, in their order."""
    right: np.ndarray
    """bool [n]"""
    chosen_on_test: bool = False
    """Whether these images chose its epochs and its strategy too."""

    @classmethod
    def of(cls, data_md5: str, y: np.ndarray, right: np.ndarray, *, chosen_on_test: bool = False) -> Self:
        return cls(data_md5, hashlib.sha256(y.astype("<i8").tobytes()).hexdigest(), right, chosen_on_test)

    def to_json(self) -> dict[str, Any]:
        packed = base64.b64encode(np.packbits(self.right).tobytes()).decode()
        about = {"data_md5": self.data_md5, "classes_sha256": self.classes_sha256}
        return {**about, "images": len(self.right), "right": packed, "chosen_on_test": self.chosen_on_test}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Also of versions registered before `chosen_on_test` was kept."""
        bits = np.unpackbits(np.frombuffer(base64.b64decode(value["right"]), np.uint8), count=value["images"])
        chosen = value.get("chosen_on_test", False)
        return cls(value["data_md5"], value["classes_sha256"], bits.astype(bool), chosen)

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())


CHOSEN = (
    "it was chosen by the test images (data.validation = test), so that what it reaches on them proves nothing; "
    "--force promotes it without the gate"
)


@dataclass(frozen=True)
class Rules:
    """What is asked of a challenger."""

    margin: float = 0.0
    """By so much it may be worse, at the lower end of what the difference may be; 0: it must be better, at 95%."""
    slower: float = 1.25
    """So many times the champion's time for an image it may take."""


@dataclass(frozen=True)
class Decision:
    """What the gate says, with its numbers."""

    promoted: bool
    because: str
    difference: float | None = None
    """Of the accuracies, the challenger's less the champion's."""
    low: float | None = None
    high: float | None = None
    only_challenger: int | None = None
    """Test images that it alone gets right."""
    only_champion: int | None = None
    p: float | None = None
    slowness: float | None = None
    """How many times the champion's time it takes."""

    def tags(self) -> dict[str, str]:
        """As tags of the version; what was not measured is left out."""
        told = {f"gate.{name}": value for name, value in asdict(self).items() if value is not None}
        return {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in told.items()}


def decide(challenger: Examined, champion: Examined | None, slowness: float | None, rules: Rules) -> Decision:
    """Whether the challenger takes the champion's place. `slowness`: its time for an image over the champion's."""
    if champion is None:
        return Decision(True, "there is no champion yet")
    if challenger.chosen_on_test:
        return Decision(False, CHOSEN)
    if (challenger.data_md5, challenger.classes_sha256) != (champion.data_md5, champion.classes_sha256):
        return Decision(False, "it was tested on other images than the champion, so that nothing can be compared")
    lead = paired(challenger.right, champion.right)
    only = int((challenger.right & ~champion.right).sum())
    others = int((champion.right & ~challenger.right).sum())
    measured = Decision(
        False,
        "",
        challenger.accuracy - champion.accuracy,
        lead.low,
        lead.high,
        only,
        others,
        mcnemar(only, others),
        slowness,
    )
    return _judged(measured, rules)


def _judged(found: Decision, rules: Rules) -> Decision:
    assert found.low is not None
    sure, wanted = f"the lower end of its lead, {found.low:+.4f}, is", f"above {0 - rules.margin:.4g}"
    if found.low <= -rules.margin:
        return replace(found, because=f"{sure} not {wanted}")
    if found.slowness is not None and found.slowness > rules.slower:
        late = f"it takes {found.slowness:.2f} times the champion's time for an image, allowed is {rules.slower:g}"
        return replace(found, because=late)
    return replace(found, promoted=True, because=f"{sure} {wanted}")
