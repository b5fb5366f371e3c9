"""`models`, `promote` and `rollback`: who is the champion of a registered model, and who becomes it."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command
from schwarz.cli.judging import FORCED, already, forced, judge, numbers, stamp, tags_of
from schwarz.errors import DONE, FAILED, SchwarzError, WrongInput
from schwarz.shell import command

if TYPE_CHECKING:
    from schwarz.publishing import Standing
    from schwarz.storage import Store
    from schwarz.tracking.models import Version

WITHDRAWN, RESTORED = "gate.withdrawn", "gate.restored"
"""When a version was taken back, and when it was gone back to."""


@click.command(cls=Command, examples=("schwarz models", "schwarz models tiny --json"))
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def models(name: str | None, as_json: bool) -> None:
    """List the registered models, or the versions of one: who is served, and what the gate said of each."""
    from schwarz.tracking.models import Version, open_registry, there_is

    rows = list[Version]()
    if name or there_is(_uri()):
        with open_registry(_uri()) as found:
            rows = [each for one in ([name] if name else found.names()) for each in found.versions(one)]
    served, faults = _served({each.name for each in rows})
    if as_json:
        print(json.dumps([asdict(each) | {"served": served.get(each.name) == each.number} for each in rows], indent=1))
    elif rows:
        head = ("model", "version", "alias", "", "strategy", "gate", "test", "registered")
        print(*columns([head, *(_cells(each, served.get(each.name)) for each in rows)], left=6), sep="\n")
        print(*_astray(rows, served), *faults, sep="\n", end="\n" if served or faults else "")
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
    from tempfile import TemporaryDirectory

    from schwarz.evaluation.gate import Rules
    from schwarz.publishing import Overtaken, publish, standing
    from schwarz.storage import open_store
    from schwarz.tracking.models import open_registry

    name, models = which.partition("/")[0], open_store(store())
    over = standing(models, name)
    with TemporaryDirectory() as scratch:
        with open_registry(_uri()) as found:
            versions = found.versions(name)
            wanted, champion = _wanted(versions, which), _champion(versions, over, force=force)
            file = found.fetch(wanted, Path(scratch) / "challenger")
            if force:
                decision = forced(wanted)
            elif wanted == champion:
                decision = already(over)
            else:
                decision = judge(found, wanted, champion, file, Path(scratch), Rules(margin, slower))
            if force or wanted != champion:  # what led to a champion stays told of it
                found.note(wanted, tags_of(decision))
        if not decision.promoted:
            print(f"{wanted.uri} stays what it is: {decision.because}.", *numbers(decision), sep="\n")
            if champion and not over.champion:
                print(f"Nothing is published yet: {command('promote', f'{name}/{champion.number}')}")
            return FAILED
        try:
            publish(models, name, wanted.number, file, over, _beaten(champion))
        except Overtaken as fault:
            with open_registry(_uri()) as found:
                found.note(wanted, tags_of(replace(decision, promoted=False, because=str(fault))))
            raise
    with _told(wanted.uri):
        _crown(models, name)
    print(f"{wanted.uri} is the champion: {decision.because}.", *numbers(decision), sep="\n")
    print(f"To serve it: {command('serve', f'{wanted.name}@champion')}")
    return DONE


@click.command(cls=Command, examples=("schwarz rollback tiny", "schwarz rollback tiny --to 1"))
@click.argument("name", metavar="NAME")
@click.option("--to", "version", metavar="VERSION", help="one that was the champion before; unset: the last one")
def rollback(name: str, version: str | None) -> None:
    """Make the champion before this one the champion again.

    Servers need the store alone for that: MLflow is told afterwards.
    """
    from tempfile import TemporaryDirectory

    from schwarz.publishing import fall_back, standing
    from schwarz.storage import open_store
    from schwarz.tracking.models import open_registry

    models = open_store(store())
    over = standing(models, name)
    with TemporaryDirectory() as scratch:
        now = fall_back(models, name, version, partial(_fetched, name, Path(scratch)), over)
    assert over.champion
    print(f"models:/{name}/{now.version} is the champion again, after {over.champion.version}.")
    with _told(f"models:/{name}/{now.version}"):
        with open_registry(_uri()) as found:
            versions = {each.number: each for each in found.versions(name)}
            marks = {over.champion.version: {WITHDRAWN: stamp()}, now.version: {WITHDRAWN: None, RESTORED: stamp()}}
            for number, tags in marks.items():
                if number in versions:
                    found.mark(versions[number], tags)
        if now.version in versions:
            _crown(models, name)
        else:
            print(f"MLflow has no version {now.version} of {name} any more: its alias stays where it is.")


def store() -> str:
    """Where models are published: $SCHWARZ_STORE, else beside the runs."""
    return os.environ.get("SCHWARZ_STORE") or str(Path("runs", "store").absolute())


def _uri() -> str:
    from schwarz.tracking import default_uri

    return default_uri(Path.cwd())


def _served(names: set[str]) -> tuple[dict[str, str], list[str]]:
    """The versions that servers take, by the pointers in the store, and what hinders asking it."""
    from schwarz.publishing import champion
    from schwarz.storage import open_store

    served, faults = dict[str, str](), list[str]()
    try:
        models = open_store(store())
        for name in sorted(names):
            if now := champion(models, name):
                served[name] = now.version
    except SchwarzError as fault:
        faults.append(f"Who is served is not known: {fault}")
    return served, faults


def _astray(rows: "list[Version]", served: Mapping[str, str]) -> list[str]:
    """Where MLflow's alias is not with who is served."""
    from schwarz.tracking.models import CHAMPION

    told = list[str]()
    for name, number in served.items():
        mine = [each for each in rows if each.name == name]
        alias = next((each.number for each in mine if CHAMPION in each.aliases), "none")
        if alias != number:
            mend = command("promote", f"{name}/{number}")
            remedy = f"{mend} mends it" if number in [each.number for each in mine] else "MLflow has it no more"
            told.append(f"{name}: version {number} is served, the alias champion names {alias}: {remedy}.")
    return told


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """What is done behind the pointer: whatever goes wrong there, servers follow it already."""
    try:
        yield
    except SchwarzError as fault:
        again = command("promote", uri.removeprefix("models:/"))
        raise SchwarzError(
            f"{uri} is the champion and is served, but MLflow was not told: {fault} Then: {again}"
        ) from fault


def _fetched(name: str, scratch: Path, number: str) -> Path:
    """The file of a version that is gone from the store."""
    from schwarz.tracking.models import open_registry

    with open_registry(_uri()) as found:
        version = next((each for each in found.versions(name) if each.number == number), None)
        if version is None:
            raise WrongInput(f"models:/{name}/{number}: is gone from MLflow and from {store()}. Name another: --to.")
        return found.fetch(version, scratch)


def _wanted(versions: "list[Version]", which: str) -> "Version":
    """The version that is meant: by its number, else the challenger, else the newest that was not taken back."""
    from schwarz.tracking.models import CHALLENGER

    name, _, number = which.partition("/")
    if number:
        found = next((each for each in versions if each.number == number), None)
        if found is None:
            there = ", ".join(each.number for each in versions)
            raise WrongInput(f"{which}: no such version of {name!r}. There are: {there}.")
        return found
    standing = [each for each in versions if WITHDRAWN not in each.tags]
    if not standing:
        one = f" Name one of {', '.join(each.number for each in versions)}." if versions else " A run registers one."
        raise WrongInput(f"{name}: has no versions{' that were not taken back' if versions else ''}.{one}")
    return next((each for each in standing if CHALLENGER in each.aliases), standing[0])


def _champion(versions: "list[Version]", over: "Standing", *, force: bool) -> "Version | None":
    """The one that is served, by the pointer; before anything was published, the one with the alias."""
    from schwarz.tracking.models import CHAMPION

    now = over.champion
    if now is None:
        return next((each for each in versions if CHAMPION in each.aliases), None)
    served = next((each for each in versions if each.number == now.version and each.tags["sha256"] == now.sha256), None)
    if served is None and not force:
        raise SchwarzError(
            f"{now.name}: version {now.version} is served, of which MLflow has nothing, or another model under its "
            "number: there is nothing to compare with. `--force` promotes without the gate."
        )
    return served


def _beaten(champion: "Version | None") -> tuple[str, str] | None:
    return (champion.number, champion.tags["sha256"]) if champion else None


def _crown(models: "Store", name: str) -> None:
    """The alias follows the pointer: of two that promote at once, the last to set it has seen where that stays."""
    from schwarz.publishing import champion
    from schwarz.tracking.models import open_registry

    done = None
    while (now := champion(models, name)) and now != done:
        with open_registry(_uri()) as found:
            found.crown(name, now.version)
        done = now


def _cells(each: "Version", served: str | None) -> tuple[str, ...]:
    when = datetime.fromtimestamp(each.created_ms / 1e3, UTC).strftime("%Y-%m-%d %H:%M")
    gate = {"True": "passed", "False": "refused"}.get(each.tags.get("gate.promoted", ""), "")
    if each.tags.get("gate.because", "").startswith(FORCED):
        gate = FORCED
    if WITHDRAWN in each.tags:
        gate = "withdrawn"
    accuracy, mark = each.tags.get("test_accuracy", ""), "served" if each.number == served else ""
    strategy = each.tags.get("strategy", "") + (" in 8 bits" if each.tags.get("bits") == "8" else "")
    return each.name, each.number, ", ".join(each.aliases), mark, strategy, gate, accuracy, when
