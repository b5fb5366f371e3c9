"""The output of one operation in the global and in a local network, and why the two may differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from schwarz.correspondence.index_maps import Axis


class Case(StrEnum):
    """What the composed network is to its local networks; a later case holds less."""

    EXACT = "exact"
    """Its output is that of the local networks together: Theorem 2.1 as a whole."""
    FIELD = "field"
    """Its features are theirs on the activation field (2.15); its output is not."""
    INITIALISATION = "initialisation"
    """From some layer on nothing is theirs: a start for training."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"case {value!r} is none of {', '.join(cls)}")

    @property
    def rank(self) -> int:
        """0 for what holds most."""
        return list(Case).index(self)


@dataclass(frozen=True)
class Cause:
    """Why a composed network is not exact: the layer that decides it, the reason, and what would be exact."""

    layer: str
    reason: str
    nearest: str
    case: Case = Case.INITIALISATION

    def __str__(self) -> str:
        return f"layer {self.layer!r} {self.reason}; exact: {self.nearest}"


@dataclass(frozen=True)
class Activation:
    """The output of one operation in the global network and in local network k."""

    axes: tuple[Axis, ...]
    """The batch first, as torch has it."""
    causes: tuple[Cause, ...] = ()
    """Why its values are not the global ones, not even where the axes agree."""
    shrinks: tuple[Cause, ...] = ()
    """What made the axes agree in part only; a cause as soon as something reads the whole of them."""
    output: bool = False
    """Whether it is the output that the local networks make together."""
    behind: bool = False
    """Whether it is that output behind the classification module (2.3)."""
    mixed: bool = False
    """Whether every value has seen an axis that is gone, beyond the field of the box."""

    @property
    def whole(self) -> tuple[int, ...]:
        return tuple(axis.whole for axis in self.axes)

    @property
    def local(self) -> tuple[int, ...]:
        return tuple(axis.local for axis in self.axes)

    @property
    def is_map(self) -> bool:
        return any(axis.is_map for axis in self.axes)

    def blamed(self, *causes: Cause) -> Self:
        return replace(self, causes=merged(self.causes, causes))

    def blurred(self) -> Self:
        """Every value has seen the whole image."""
        return replace(self, axes=tuple(axis.blurred() for axis in self.axes))

    def fieldless(self) -> Self:
        """Every value responds to pixels outside the box."""
        return replace(self, axes=tuple(axis.fieldless() for axis in self.axes), mixed=True)

    def read_whole(self, axes: Sequence[Axis]) -> Self:
        """Something makes one value of all positions of these axes: what shrank them is now a cause, and what lies
        beyond their field is in every value."""
        x = self if all(axis.total for axis in axes) else replace(self.blamed(*self.shrinks), shrinks=())
        return x if all(axis.field == (0, axis.whole) for axis in axes) else x.fieldless()


def merged(*causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """All causes, each once, in their order."""
    return tuple(dict.fromkeys(cause for group in causes for cause in group))
