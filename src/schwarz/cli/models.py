"""`models`, `promote` and `rollback`: who is the champion of a registered model, and who becomes it."""

import json
import os
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command
from schwarz.errors import DONE, FAILED, WrongInput
from schwarz.shell import command

if TYPE_CHECKING:
    from schwarz.evaluation.gate import Decision, Rules
    from schwarz.publishing import Standing
    from schwarz.storage import Store
    from schwarz.tracking.models import Registry, Version

FORCED, BACK = "forced", "rolled back"
"""How a version becomes the champion without the gate."""
TIMES = 30
"""Images that each of two models answers, in turn, to tell how much slower one is."""


@click.command(cls=Command, examples=("schwarz models", "schwarz models tiny --json"))
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def models(name: str | None, as_json: bool) -> None:
    """List the registered models, or the versions of one, with what the gate said of them."""
    from schwarz.tracking.models import Version, open_registry, there_is

    rows = list[Version]()
    if name or there_is(_uri()):
        with open_registry(_uri()) as found:
            rows = [each for one in ([name] if name else found.names()) for each in found.versions(one)]
    if as_json:
        print(json.dumps([asdict(each) for each in rows], indent=1))
    elif rows:
        head = ("model", "version", "alias", "strategy", "gate", "test", "registered")
        print(*columns([head, *map(_cells, rows)], left=5), sep="\n")
    else:
        print(f"No models are registered. To make one: {command('run', 'quickstart')}")


@click.command(
    cls=Command,
    examples=("schwarz promote tiny", "schwarz promote tiny/2 --margin 0.01", "schwarz promote tiny/1 --force"),
)
@click.argument("which", metavar="NAME[/VERSION]")
@click.option("--margin", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="how much worse it may be")
@click.option("--slower", type=click.FloatRange(1), default=1.25, show_default=True, help="times the champion's time")
@click.option("--force", is_flag=True, help="without the gate")
def promote(which: str, margin: float, slower: float, force: bool) -> int:
    """Make a challenger the champion, if it passes the gate, and publish it.

    It passes where the lower end of the 95% interval of its lead, on the same test images, is above -MARGIN, and it is
    not too slow. Exit status 1 where it does not.
    """
    from schwarz.evaluation.gate import Rules
    from schwarz.publishing import publish, standing
    from schwarz.storage import open_store
    from schwarz.tracking.models import open_registry

    name, models = which.partition("/")[0], open_store(store())
    with open_registry(_uri()) as found, tempfile.TemporaryDirectory() as scratch:
        versions = found.versions(name)
        wanted, over = _wanted(versions, which), standing(models, name)
        champion = _champion(versions, over)
        file = found.fetch(wanted, Path(scratch) / "challenger")
        if force or wanted == champion:
            decision = _unasked(wanted, forced=force)
        else:
            decision = _decide(found, wanted, champion, file, Path(scratch), Rules(margin, slower))
        if not decision.promoted:
            found.note(wanted, _tags(decision))
            print(f"{wanted.uri} stays what it is: {decision.because}.", *_numbers(decision), sep="\n")
            return FAILED
        publish(models, name, wanted.number, file, over, champion.number if champion else None)
        found.note(wanted, _tags(decision))
        _crown(found, models, name)
    print(f"{wanted.uri} is the champion: {decision.because}.", *_numbers(decision), sep="\n")
    print(f"To serve it: {command('serve', f'{wanted.name}@champion')}")
    return DONE


@click.command(cls=Command, examples=("schwarz rollback tiny", "schwarz rollback tiny --to 1"))
@click.argument("name", metavar="NAME")
@click.option("--to", "version", metavar="VERSION", help="one that was the champion before; unset: the last one")
def rollback(name: str, version: str | None) -> None:
    """Make the champion before this one the champion again."""
    from schwarz.publishing import fall_back
    from schwarz.storage import open_store
    from schwarz.tracking.models import open_registry

    with open_registry(_uri()) as found, tempfile.TemporaryDirectory() as scratch:
        versions, models = {each.number: each for each in found.versions(name)}, open_store(store())

        def fetch(number: str) -> Path:
            if number not in versions:
                raise WrongInput(
                    f"models:/{name}/{number}: is gone from MLflow and from {models.uri}. Name another: --to."
                )
            return found.fetch(versions[number], Path(scratch))

        now = fall_back(models, name, version, fetch)
        if now.version in versions:
            told = {"gate.because": f"{BACK} to", "gate.promoted": "True", "gate.when": _now()}
            found.note(versions[now.version], told)
            _crown(found, models, name)
    print(f"models:/{name}/{now.version} is the champion again.")


def store() -> str:
    """Where models are published: $SCHWARZ_STORE, else beside the runs."""
    return os.environ.get("SCHWARZ_STORE") or str(Path("runs", "store").absolute())


def _uri() -> str:
    from schwarz.tracking import default_uri

    return default_uri(Path.cwd())


def _wanted(versions: "list[Version]", which: str) -> "Version":
    """The version that is meant: by its number, else the challenger, else the newest."""
    from schwarz.tracking.models import CHALLENGER

    name, _, number = which.partition("/")
    if number:
        found = next((each for each in versions if each.number == number), None)
        if found is None:
            there = ", ".join(each.number for each in versions)
            raise WrongInput(f"{which}: no such version of {name!r}. There are: {there}.")
        return found
    if not versions:
        raise WrongInput(f"{name}: has no versions. A run registers one.")
    return next((each for each in versions if CHALLENGER in each.aliases), versions[0])


def _champion(versions: "list[Version]", over: "Standing") -> "Version | None":
    """The one that is served, by the pointer; before anything was published, the one with the alias."""
    from schwarz.tracking.models import CHAMPION

    served = over.champion and next((each for each in versions if each.number == over.champion.version), None)
    return served or next((each for each in versions if CHAMPION in each.aliases), None)


def _crown(found: "Registry", models: "Store", name: str) -> None:
    """The alias follows the pointer: of two that promote at once, the last to set it has seen where that stays."""
    from schwarz.publishing import champion

    done = None
    while (now := champion(models, name)) and now != done:
        found.crown(name, now.version)
        done = now


def _decide(
    found: "Registry", wanted: "Version", champion: "Version | None", file: Path, scratch: Path, rules: "Rules"
) -> "Decision":
    from schwarz.evaluation.gate import Decision, Examined, decide

    records = [found.gate(each) for each in (wanted, champion) if each]
    if None in records:
        lacking = next(each for each, record in zip((wanted, champion), records, strict=False) if record is None)
        assert lacking
        return Decision(False, f"of {lacking.uri} it is not kept what it got right: it was registered without that")
    challenger, *other = [Examined.from_json(record) for record in records if record]
    slowness = _slowness(file, found.fetch(champion, scratch / "champion")) if champion else None
    return decide(challenger, next(iter(other), None), slowness, rules)


def _unasked(wanted: "Version", *, forced: bool) -> "Decision":
    from schwarz.evaluation.gate import Decision

    refused = wanted.tags.get("gate.because") if wanted.tags.get("gate.promoted") == "False" else None
    asked = f"{FORCED}; the gate had refused it: {refused}" if refused else f"{FORCED}, without the gate"
    return Decision(True, asked if forced else "it is already, and is published again")


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


def _tags(decision: "Decision") -> dict[str, str]:
    return decision.tags() | {"gate.when": _now()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _numbers(decision: "Decision") -> list[str]:
    """What was measured, a line each."""
    if decision.difference is None:
        return []
    lines = [
        f"  accuracy  {decision.difference:+.4f}, 95% of it {decision.low:+.4f} to {decision.high:+.4f}",
        f"  images    {decision.only_challenger} it alone gets right, {decision.only_champion} the champion alone "
        f"(p = {decision.p:.2g})",
    ]
    return [*lines, *([f"  time      {decision.slowness:.2f} times the champion's"] if decision.slowness else [])]


def _cells(each: "Version") -> tuple[str, ...]:
    when = datetime.fromtimestamp(each.created_ms / 1e3, UTC).strftime("%Y-%m-%d %H:%M")
    asked = {"True": "passed", "False": "refused"}.get(each.tags.get("gate.promoted", ""), "")
    unasked = [way for way in (FORCED, BACK) if each.tags.get("gate.because", "").startswith(way)]
    gate = unasked[0].replace(" ", "-") if unasked else asked
    accuracy = each.tags.get("test_accuracy", "")
    strategy = each.tags.get("strategy", "") + (" in 8 bits" if each.tags.get("bits") == "8" else "")
    return each.name, each.number, ", ".join(each.aliases), strategy, gate, accuracy, when
