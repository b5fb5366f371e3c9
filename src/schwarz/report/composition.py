"""What results.json and the page say of a composition, from the verify.json that the step `compose` left."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from schwarz.cases import Case, Cause, by_remedy

VERIFIED, PICTURE = "verify.json", "features.svg"


class Claim(NamedTuple):
    """left <= right, and what became of it."""

    name: str
    left: str
    right: str
    status: str


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """The block `verify` of results.json: layers in a row that have the same map and fields are one entry of
    `fields`."""
    layers = [layer for layer in found["layers"] if layer["map"]]
    groups = [list(group) for _, group in groupby(layers, lambda layer: (layer["map"], layer["fields"]))]
    fields = [
        {"layer": group[0]["name"], "map": group[0]["map"], "fields": group[0]["fields"], "gap": _largest(group)}
        for group in groups
    ]
    return {name: value for name, value in found.items() if name != "layers"} | {"fields": fields}


def _largest(layers: Iterable[Mapping[str, Any]]) -> float | None:
    return max((layer["gap"] for layer in layers if layer["gap"] is not None), default=None)


def claims(verify: Mapping[str, Any]) -> list[Claim]:
    """(2.15), (2.16) and Theorem 2.2, each side a number; what the case does not claim is observed all the same."""
    exact = verify["case"] == "exact"
    equal = [
        ("(2.15) features on their fields: difference, and rounding", "feature_gap", "feature_tolerance", True),
        ("(2.16) logits, and the sum of the local ones: difference, and rounding", "logit_gap", "tolerance",
         exact),
    ]  # fmt: skip
    rows = [Claim(name, small(verify[left]), small(verify[right]), _status(verify[left] <= verify[right], claimed))
            for name, left, right, claimed in equal]  # fmt: skip
    return rows + [
        Claim(bound["name"], small(bound["left"]), small(bound["right"]), _status(bound["holds"], exact))
        for bound in verify["bounds"]
    ]


def _status(holds: bool, claimed: bool) -> str:
    if claimed:
        return "holds" if holds else "does not hold"
    return "holds here, not claimed" if holds else "not claimed"


def small(value: float | None) -> str:
    """A difference, in scientific notation where it is small."""
    return "" if value is None else f"{value:.1e}" if 0 < value < 0.001 else f"{value:.4g}"


def sizes(fields: Sequence[Sequence[Sequence[int]]]) -> str:
    """The sizes of the fields of all boxes: 13 x 13 each; 10 x 13 to 13 x 13; none."""
    found = sorted({tuple(max(0, stop - start) for start, stop in spans) for spans in fields})
    if all(min(size) == 0 for size in found):
        return "none"
    least, most = (" x ".join(map(str, size)) for size in (found[0], found[-1]))
    return f"{least} each" if len(found) == 1 else f"{least} to {most}"


def meaning(verify: Mapping[str, Any]) -> str:
    """What the case says."""
    return Case(verify["case"]).meaning


def loss(verify: Mapping[str, Any]) -> str:
    """What keeps the composed network from answering as its local networks do together."""
    statistics, causes = verify["statistics"], verify["causes"]
    recomputed = statistics["used"] == "recompute" and statistics["stored"]
    if not causes:
        return "recomputed statistics" if recomputed else "rounding"
    padded = all(cause["reason"].startswith("pads at the cuts") for cause in causes)
    what = "same padding" if padded else "what these layers do"
    return f"{what} and of recomputed statistics" if recomputed else what


def deciding(verify: Mapping[str, Any]) -> list[tuple[Cause, int]]:
    """The layers that decide it, one for each remedy, and how many more each stands for."""
    return by_remedy(Cause(**{**cause, "case": Case(cause["case"])}) for cause in verify["causes"])
