"""Where servers find models: `models/NAME/<version>/model.onnx` in the store, which Triton and OpenVINO read as it is,
and `models/NAME/champion.json`, which says which version is the champion.

A version is there as a whole before the pointer names it, and the pointer is only ever moved from where it was seen: of
two promotions at once one is refused. Of several versions Triton serves the highest: those above
the champion are taken away after the pointer has left them.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import sha256
from schwarz.storage import NoObject, ObjectChanged, Store

FOLDER, FILE, POINTER = "models", "model.onnx", "champion.json"


class Overtaken(SchwarzError):
    """Another promotion has moved the pointer since it was looked at."""


@dataclass(frozen=True)
class Champion:
    """Which version of a model is served."""

    name: str
    version: str
    sha256: str
    before: tuple[str, ...] = field(default=())
    """The versions that were it before, the latest first: where a rollback leads."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def model_key(name: str, version: str) -> str:
    return f"{FOLDER}/{name}/{version}/{FILE}"


@dataclass(frozen=True)
class Standing:
    """What the pointer said when it was looked at, and which version of it: what a promotion takes the place of."""

    champion: Champion | None
    seen: str | None


def standing(store: Store, name: str) -> Standing:
    """Who is the champion now; nobody where nothing was published."""
    key = f"{FOLDER}/{name}/{POINTER}"
    found = store.find(key)
    if found is None:
        return Standing(None, None)
    try:
        told = json.loads(store.read(key, 0, found.size, found.version))
        said = Champion(told["name"], told["version"], told["sha256"], tuple(told["before"]))
        return Standing(said, found.version)
    except ObjectChanged:  # moved between the two questions
        return standing(store, name)
    except (ValueError, KeyError, TypeError):
        raise WrongInput(
            f"{store.uri}/{key}: is no pointer to a champion. Remove it; `schwarz promote {name}` writes it anew."
        ) from None


def champion(store: Store, name: str) -> Champion | None:
    """What the pointer says; None where nothing was published."""
    return standing(store, name).champion


def publish(
    store: Store, name: str, version: str, file: Path, over: Standing | None = None, beaten: str | None = None
) -> Champion:
    """Make a version the champion: its file, then the pointer, which must still be the one that was looked at (`over`,
    by default now). Overtaken where another promotion has moved it since: then nothing has changed. `beaten`: who was
    the champion where nothing has been published yet."""
    over = over or standing(store, name)
    was = (over.champion.version, *over.champion.before) if over.champion else (beaten,) if beaten else ()
    now = Champion(name, version, sha256(file), tuple(each for each in was if each != version))
    _move(store, now, file, over)
    return now


def fall_back(
    store: Store, name: str, version: str | None = None, fetch: Callable[[str], Path] | None = None
) -> Champion:
    """Make a version that was the champion before the champion again, the last one by default. `fetch`: its file from
    elsewhere, where it was taken away from here."""
    over = standing(store, name)
    was = over.champion
    if was is None or not was.before:
        now = f"version {was.version} is the first champion" if was else "nothing was promoted"
        raise WrongInput(f"{name}: {now} in {store.uri}, there is nothing to go back to.")
    chosen = version or was.before[0]
    if chosen not in was.before:
        raise WrongInput(f"{name}: version {chosen} was never the champion. There were: {', '.join(was.before)}.")
    key = model_key(name, chosen)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / FILE
        if store.find(key):
            store.get(key, file)
        elif fetch:
            file = fetch(chosen)
        else:
            raise WrongInput(f"{store.uri}/{key}: is gone. `schwarz promote {name}/{chosen} --force` publishes it.")
        now = Champion(name, chosen, sha256(file), tuple(v for v in was.before if v != chosen))
        _move(store, now, file, over)
    return now


def versions(store: Store, name: str) -> list[str]:
    """All that are published, by number."""
    return sorted((key.split("/")[2] for key in _keys(store, name)), key=int)


def _move(store: Store, now: Champion, file: Path, over: Standing) -> None:
    """The file, then the pointer, then away with what is above it: with what was there before alone, one by one while
    this is the champion, for the next promotion may have begun."""
    key = model_key(now.name, now.version)
    store.put(file, key)
    higher = [version for version in versions(store, now.name) if int(version) > int(now.version)]
    try:
        _point(store, now, over)
    except Overtaken:
        after = champion(store, now.name)
        if after and int(now.version) > int(after.version):
            store.remove(key)
        raise
    store.put(file, key)  # one that was overtaken with the same version has taken it away
    for version in higher:
        if champion(store, now.name) == now:
            store.remove(model_key(now.name, version))


def _point(store: Store, now: Champion, over: Standing) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        pointer = Path(scratch) / POINTER
        pointer.write_text(json.dumps(now.to_json(), indent=1))
        try:
            store.replace(pointer, f"{FOLDER}/{now.name}/{POINTER}", over.seen)
        except ObjectChanged:
            raise Overtaken(
                f"{now.name}: another promotion or rollback came in between, this one has changed nothing. "
                f"`schwarz models {now.name}` shows who is the champion; then try again."
            ) from None


def _keys(store: Store, name: str) -> Iterator[str]:
    prefix = f"{FOLDER}/{name}/"
    for found in store.list(prefix):
        if found.key.removeprefix(prefix).count("/") == 1 and found.key.endswith(f"/{FILE}"):
            yield found.key


def get(store: Store, found: Champion, target: Path) -> None:
    """The champion's file, as it was published; NoObject where another has taken its place meanwhile."""
    if store.find(model_key(found.name, found.version)) is None:
        raise NoObject(f"{store.uri}/{model_key(found.name, found.version)}: is not there")
    store.get(model_key(found.name, found.version), target, found.sha256)
