"""The output of one operation in the global and in a local network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from schwarz.cases import Cause, merged
from schwarz.correspondence.index_maps import Axis


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
    def shape(self) -> tuple[int, ...]:
        """In the global network."""
        return tuple(axis.whole for axis in self.axes)

    @property
    def local_shape(self) -> tuple[int, ...]:
        """In the local network."""
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
