"""How much less an epoch takes of the local networks than of the global one: what documents 2 and 3 are about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schwarz.config import Config
from schwarz.published_accuracies import Faster, Times, faster, times
from schwarz.study.cells import Cell
from schwarz.study.findings import Finding


@dataclass(frozen=True)
class Speed:
    """CPU-seconds of an epoch of the global network in terms of those of its local networks."""

    together: float
    """One after the other."""
    apart: float
    """At the same time, on a machine each: the longest one counts."""
    printed_together: Times | None
    """A document's seconds on one GPU."""
    printed: Times | Faster | None
    """Its seconds on several, or what it says besides."""

    def to_json(self) -> dict[str, Any]:
        printed = {name: getattr(self, name) for name in ("printed_together", "printed")}
        return {**vars(self), **{name: each and each._asdict() for name, each in printed.items()}}

    def __str__(self) -> str:
        ours = (
            f"An epoch of the global network took {self.together:.2f} times the CPU-seconds of one of all local "
            f"networks, and {self.apart:.2f} times those of the longest one alone."
        )
        first = f"Beside the first figure: {self.printed_together}" if self.printed_together else None
        return " ".join(str(each) for each in (ours, first, self.printed) if each)


def speed(found: Sequence[Finding], config: Config) -> Speed | None:
    """That of a preset, run as `config` says; None where the global network or the local ones were not trained."""
    whole = [_epoch_s(each) for each in found if each.name == "global"]
    parts = [_epoch_s(each) for each in found if each.local]
    if not whole or not parts:
        return None
    name, augmented = config.preset, config.augment.moves
    printed = times(name, augmented) or faster(config.data.name)
    return Speed(whole[0] / sum(parts), whole[0] / max(parts), times(name, augmented, gpus=1), printed)


def speeds(cells: Iterable[Cell], found: Mapping[str, Sequence[Finding]]) -> dict[str, Speed | None]:
    """That of every preset."""
    configs = {cell.preset: cell.run.config for cell in cells}
    return {preset: speed(rows, configs[preset]) for preset, rows in found.items()}


def _epoch_s(found: Finding) -> float:
    """CPU-seconds of training, an epoch."""
    spent, epochs = found.of("training_cpu_s"), found.of("epochs")
    assert spent, f"{found.name} was trained"
    assert epochs, f"{found.name} was trained"
    return spent.mean / epochs.mean
