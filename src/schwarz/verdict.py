"""What `verify` found, as a value and as text."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from schwarz.bounds import Bound
from schwarz.cases import Case, Cause, by_remedy
from schwarz.task import Task

Span = tuple[int, int]


@dataclass(frozen=True)
class LayerReport:
    """(2.15) at one layer."""

    name: str
    kind: str
    map: tuple[int, ...]
    """Size of the global map along the partitioned axes; () behind the flattened one."""
    fields: tuple[tuple[Span, ...], ...]
    """For each box the activation field: (start, stop) along each axis of the map."""
    claimed: tuple[bool, ...]
    """For each box, whether (2.15) is claimed here."""
    gap: float | None
    """The largest difference between global and local features where they must agree; None where nothing must."""
    scale: float
    """The largest local feature there."""


@dataclass(frozen=True)
class Verdict:
    """What `verify` found."""

    case: Case
    causes: tuple[Cause, ...]
    task: Task
    images: int
    boxes: int
    layers: tuple[LayerReport, ...]
    logit_gap: float
    """The largest difference between the global output and that of the local networks together: (2.16), (2.22)."""
    softmax_gap: float | None
    """The same behind the softmax (2.17); None but for classification."""
    tolerance: float
    """What rounding in this dtype may make of a difference of 0 between outputs."""
    feature_tolerance: float
    """The same between features of size 1."""
    field_gap: float
    """The largest difference that pixels outside a box made on its activation field."""
    responds: float | None
    """Share of the positions outside the fields that did change with such pixels; None where there are none."""
    returned: bool
    """Whether that output, or its softmax, is what the network returns."""
    covers: bool
    """Whether every pixel lies in some box."""
    bounds: tuple[Bound, ...] | None = None
    """Theorem 2.2 and the bounds of section 2.4; None without y, and for outputs of which they do not speak: several,
    or one for each place of an image."""

    @property
    def exact(self) -> bool:
        """The composition is exact, and on these images it was."""
        return self.case is Case.EXACT and self.logit_gap <= self.tolerance

    @property
    def feature_gap(self) -> float:
        """The largest difference between features that must agree, relative to their size where that is over 1."""
        gaps = [layer.gap / max(1.0, layer.scale) for layer in self.layers if layer.gap is not None]
        return next(filter(math.isnan, gaps), max(gaps, default=0.0))

    @property
    def holds(self) -> bool:
        """Whether all that the case claims was seen on these images."""
        features = self.feature_gap <= self.feature_tolerance and self.field_gap <= self.tolerance
        if not features:  # nor where a gap is NaN
            return False
        return self.case is not Case.EXACT or (self.exact and all(bound.holds for bound in self.bounds or ()))

    def to_json(self) -> dict[str, Any]:
        found = {"exact": self.exact, "holds": self.holds, "feature_gap": self.feature_gap, **asdict(self)}
        if self.bounds is not None:
            found["bounds"] = [{**asdict(bound), "holds": bound.holds} for bound in self.bounds]
        return found

    def __str__(self) -> str:
        return "\n".join((*self._case(), *self._features(), *self._output(), *self._bounds()))

    def _case(self) -> Iterator[str]:
        if not self.holds:
            yield "NOT MET: these networks do not do what the case below claims"
        yield f"{self.case.value}: {self.case.meaning}"
        if not self.covers:
            yield "  the boxes leave pixels out: no network sees them"
        for cause, more in by_remedy(self.causes):
            yield f"  layer {cause.layer!r} {cause.reason}{f' (and {more} more)' if more else ''}"
            yield f"    exact would be: {cause.nearest}"

    def _features(self) -> Iterator[str]:
        """One row for all layers in a row that have the same map and fields."""
        rows = [(key, list(group)) for key, group in groupby((x for x in self.layers if x.map), _row)]
        width = max([5, *(len(group[0].name) for _, group in rows)])
        yield ""
        yield f"(2.15) {'from layer':{width}}  {'map':>11}  {'activation field of each box':34}  largest gap there"
        for (size, fields, _), group in rows:
            gaps = [layer.gap for layer in group if layer.gap is not None]
            yield f"       {group[0].name:{width}}  {size:>11}  {fields:34}  {f'{max(gaps):.1e}' if gaps else '-'}"
        elsewhere = "" if self.responds is None else f", and {self.responds:.0%} of what lies outside them"
        yield f"       other pixels outside a box changed its fields by at most {self.field_gap:.1e}{elsewhere}"

    def _output(self) -> Iterator[str]:
        yield ""
        place = "" if self.returned else ", before what the network makes of them"
        gap = f"gap {self.logit_gap:.1e}, rounding {self.tolerance:.1e} ({self.images} images)"
        yield f"{self.task.claim}{place}: {gap}"
        if self.softmax_gap is not None:
            yield f"(2.17) their softmax: gap {self.softmax_gap:.1e}"

    def _bounds(self) -> Iterator[str]:
        for bound in self.bounds or ():
            word = "holds" if bound.holds else "does not hold"
            status = word if self.case is Case.EXACT else f"{word} here, not claimed"
            sides = f"{bound.left:.6g} <= {bound.right:.6g}, {status} ({bound.samples} of {self.images} images)"
            yield f"{bound.name}: {sides if bound.samples else 'no image is correct in every local network'}"


def _row(layer: LayerReport) -> tuple[str, str, tuple[bool, ...]]:
    """Size of the map, the fields, and of which boxes (2.15) is claimed; behind the last field nothing differs."""
    fields = _fields(layer)
    if fields == "empty":
        return "", fields, ()
    if any(layer.claimed) and not all(layer.claimed):
        fields += f", box {','.join(str(k) for k, claimed in enumerate(layer.claimed) if claimed)} alone"
    return _by(layer.map), fields if any(layer.claimed) else f"{fields}, not claimed", layer.claimed


def _fields(layer: LayerReport) -> str:
    """The fields of all boxes in one short text."""
    if len(set(layer.fields)) == 1:
        return _spans(layer.fields[0])
    sizes = {tuple(stop - start for start, stop in spans) for spans in layer.fields}
    if len(sizes) == 1 and len(layer.fields) > 2:
        return f"{_by(sizes.pop())} each" if min(map(min, sizes)) > 0 else "empty"
    text = " ".join(map(_spans, layer.fields))
    return text if len(text) <= 34 else f"{_by(min(sizes))} to {_by(max(sizes))}"


def _spans(spans: tuple[Span, ...]) -> str:
    return ",".join(f"{start}:{stop}" for start, stop in spans) if all(b > a for a, b in spans) else "empty"


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))
