"""What a composed network is to its local networks, and why it is no more than that. Imports no torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Case(StrEnum):
    """What of document 3's section 2.3 holds of a composition; a later case holds less."""

    EXACT = "exact"
    """Theorem 2.1 as a whole: (2.15) and (2.16)."""
    FIELD = "field"
    """(2.15) alone: features on the activation field."""
    INITIALISATION = "initialisation"
    """From some layer on not even that."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"case {value!r} is none of {', '.join(cls)}")

    @classmethod
    def of(cls, causes: "Iterable[Cause]") -> Self:
        """The case that these causes leave; without any, the first."""
        return cls(max((cause.case for cause in causes), key=lambda case: case.rank, default=Case.EXACT))

    @property
    def rank(self) -> int:
        """0 for what holds most."""
        return list(Case).index(self)

    @property
    def meaning(self) -> str:
        """In words."""
        return {
            Case.EXACT: "the composed network is its local networks together, everywhere",
            Case.FIELD: "its features are those of the local networks on the activation field; its output is not "
            "theirs together",
            Case.INITIALISATION: "a start for training: from a layer named here on, its values are no longer theirs",
        }[self]


@dataclass(frozen=True)
class Cause:
    """Why a composed network is not exact: the layer that decides it, the reason, and what would be exact."""

    layer: str
    reason: str
    nearest: str
    case: Case = Case.INITIALISATION

    def __str__(self) -> str:
        return f"layer {self.layer!r} {self.reason}; exact: {self.nearest}"


def short_of(required: Case, causes: Iterable[Cause]) -> Cause | None:
    """The first layer that leaves less than is required, if there is one that leaves the least of all."""
    causes = list(causes)
    found = Case.of(causes)
    return next((cause for cause in causes if cause.case is found), None) if found.rank > required.rank else None


def by_remedy(causes: Iterable[Cause]) -> list[tuple[Cause, int]]:
    """The first layer for each way to be exact, those that leave least first, and how many more it stands for."""
    groups: dict[str, list[Cause]] = {}
    for cause in sorted(causes, key=lambda cause: -cause.case.rank):
        groups.setdefault(cause.nearest, []).append(cause)
    return [(first, len(others)) for first, *others in groups.values()]


def merged(*causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """All causes, each once, in their order."""
    return tuple(dict.fromkeys(cause for group in causes for cause in group))
