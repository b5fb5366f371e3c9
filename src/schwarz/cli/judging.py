"""How a version comes to be the champion: by the gate, without it, or because it is already."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schwarz.evaluation.gate import Decision, Rules
    from schwarz.publishing import Standing
    from schwarz.tracking.models import Registry, Version

FORCED = "forced"
TIMES = 30
"""Images that each of two models answers, in turn, to tell how much slower one is."""


def judge(
    found: "Registry", wanted: "Version", champion: "Version | None", file: Path, scratch: Path, rules: "Rules"
) -> "Decision":
    """What the gate says of a version beside the champion."""
    from schwarz.evaluation.gate import Decision, Examined, decide

    records = [found.gate(each) for each in (wanted, champion) if each]
    if None in records:
        lacking = next(each for each, record in zip((wanted, champion), records, strict=False) if record is None)
        assert lacking
        return Decision(False, f"of {lacking.uri} it is not kept what it got right: it was registered without that")
    challenger, *other = [Examined.from_json(record) for record in records if record]
    if champion is None:
        return decide(challenger, None, None, rules)
    served = found.fetch(champion, scratch / "champion")
    if because := _otherwise(file, served):
        return Decision(False, because)
    return decide(challenger, other[0], _slowness(file, served), rules)


def already(over: "Standing") -> "Decision":
    from schwarz.evaluation.gate import Decision

    because = "it is already, and is published again" if over.champion else "it is by its alias, and is published now"
    return Decision(True, because)


def forced(wanted: "Version") -> "Decision":
    from schwarz.evaluation.gate import Decision

    refused = wanted.tags.get("gate.because") if wanted.tags.get("gate.promoted") == "False" else None
    asked = f"{FORCED}; the gate had refused it: {refused}" if refused else f"{FORCED}, without the gate"
    return Decision(True, asked)


def _otherwise(challenger: Path, champion: Path) -> str | None:
    """What clients of the champion would notice: other images, or other classes."""
    from schwarz.described import DECISION
    from schwarz.export import session

    forms = list[tuple[object, ...]]()
    for each in map(session, (challenger, champion)):
        (image,), classes = each.get_inputs(), next(out for out in each.get_outputs() if out.name == DECISION)
        forms.append((image.name, image.type, image.shape[1:], classes.shape[1:]))
    told = [f"{name!r}, {kind} {size}, and gives {given}" for name, kind, size, given in forms]
    return None if forms[0] == forms[1] else f"it takes {told[0]}; the champion {told[1]}: its clients would be refused"


def _slowness(challenger: Path, champion: Path) -> float:
    """How many times the champion's time the challenger takes for one image: medians of both, asked in turn."""
    import time
    from statistics import median

    import numpy as np

    from schwarz.export import INPUT, session

    sessions, taken = [session(path) for path in (challenger, champion)], list[tuple[float, float]]()
    for _ in range(TIMES):
        pair = list[float]()
        for each in sessions:
            x = np.zeros((1, *each.get_inputs()[0].shape[1:]), np.uint8)
            began = time.perf_counter()
            each.run(None, {INPUT: x})
            pair.append(time.perf_counter() - began)
        taken.append((pair[0], pair[1]))
    return median(a for a, _ in taken[5:]) / median(b for _, b in taken[5:])


def tags_of(decision: "Decision") -> dict[str, str]:
    return decision.tags() | {"gate.when": stamp()}


def stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def numbers(decision: "Decision") -> list[str]:
    """What was measured, a line each."""
    if decision.difference is None:
        return []
    lines = [
        f"  accuracy  {decision.difference:+.4f}, 95% of it {decision.low:+.4f} to {decision.high:+.4f}",
        f"  images    {decision.only_challenger} it alone gets right, {decision.only_champion} the champion alone "
        f"(p = {decision.p:.2g})",
    ]
    return [*lines, *([f"  time      {decision.slowness:.2f} times the champion's"] if decision.slowness else [])]
