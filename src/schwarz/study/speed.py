"""How much less an epoch takes of the local networks than of the global one: what documents 2 and 3 are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schwarz.published_accuracies import Times, times
from schwarz.study.findings import Finding


@dataclass(frozen=True)
class Speed:
    """CPU-seconds of an epoch of the global network in terms of those of its local networks."""

    together: float
    """One after the other."""
    apart: float
    """At the same time, on a machine each: the longest one counts."""
    printed: Times | None
    """A document's seconds on GPUs."""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "printed": self.printed and self.printed._asdict()}

    def __str__(self) -> str:
        ours = (
            f"An epoch of the global network took {self.together:.2f} times the CPU-seconds of one of all local "
            f"networks, and {self.apart:.2f} times those of the longest one alone."
        )
        return f"{ours} {self.printed}" if self.printed else ours


def speed(found: Sequence[Finding]) -> Speed | None:
    """That of a preset; None where the global network or the local ones were not trained."""
    whole = [_epoch_s(each) for each in found if each.name == "global"]
    parts = [_epoch_s(each) for each in found if each.local]
    if not whole or not parts:
        return None
    return Speed(whole[0] / sum(parts), whole[0] / max(parts), times(found[0].preset))


def _epoch_s(found: Finding) -> float:
    """CPU-seconds of training, an epoch."""
    spent, epochs = found.of("training_cpu_s"), found.of("epochs")
    assert spent, f"{found.name} was trained"
    assert epochs, f"{found.name} was trained"
    return spent.mean / epochs.mean
