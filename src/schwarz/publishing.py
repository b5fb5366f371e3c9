"""Where servers find models: `models/NAME/<version>/model.onnx` in the store, which Triton and OpenVINO read as it is,
and `models/NAME/champion.json`, which says which version is the champion.

A version is there as a whole before the pointer names it, and the pointer is only ever moved from where it was seen: of
two promotions at once one is refused. Of several versions Triton serves the highest: those above
the champion are taken away after the pointer has left them.
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import sha256
from schwarz.storage import NoObject, ObjectChanged, ObjectDamaged, Store

FOLDER, FILE, POINTER = "models", "model.onnx", "champion.json"
NUMBER, SUM = re.compile("[1-9][0-9]*"), re.compile("[0-9a-f]{64}")


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
    sums: Mapping[str, str] = field(default_factory=dict)
    """The sha256 of their files, by version."""

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
        return Standing(_said(name, store.read(key, 0, found.size, found.version)), found.version)
    except ObjectChanged:  # moved between the two questions
        return standing(store, name)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WrongInput(
            f"{store.uri}/{key}: is no pointer to a champion of this model. Remove it; `schwarz promote {name}` writes "
            "it anew."
        ) from None


def _said(name: str, content: bytes) -> Champion:
    """What a pointer says; an error where it is another model's, a version no number or a sum none."""
    told = json.loads(content)
    said = Champion(told["name"], told["version"], told["sha256"], tuple(told["before"]), told.get("sums", {}))
    sums = (said.sha256, *said.sums.values())
    sound = all(map(NUMBER.fullmatch, (said.version, *said.before))) and all(map(SUM.fullmatch, sums))
    if said.name != name or not sound:
        raise ValueError(content)
    return said


def champion(store: Store, name: str) -> Champion | None:
    """What the pointer says; None where nothing was published."""
    return standing(store, name).champion


def publish(
    store: Store, name: str, version: str, file: Path, over: Standing | None = None,
    beaten: tuple[str, str] | None = None,
) -> Champion:  # fmt: skip
    """Make a version the champion: its file, then the pointer, which must still be the one that was looked at (`over`,
    by default now). Overtaken where another promotion has moved it since: then nothing has changed. `beaten`: who was
    the champion, and the sha256 of its file, where nothing has been published yet."""
    over = over or standing(store, name)
    was, past = over.champion, dict([beaten] if beaten else [])
    if was:
        past = {was.version: was.sha256, **{each: was.sums.get(each, "") for each in was.before}}
    now = _made(name, version, file, {each: value for each, value in past.items() if each != version})
    _move(store, now, file, over)
    return now


def _made(name: str, version: str, file: Path, past: Mapping[str, str]) -> Champion:
    """A champion after those, whose sums may be unknown."""
    return Champion(name, version, sha256(file), tuple(past), {each: value for each, value in past.items() if value})


def fall_back(
    store: Store, name: str, version: str | None = None, fetch: Callable[[str], Path] | None = None,
    over: Standing | None = None,
) -> Champion:  # fmt: skip
    """Make a version that was the champion before the champion again, the last one by default; those after it are
    where no rollback leads any more. `fetch`: its file from elsewhere, where it is gone from here or damaged."""
    over = over or standing(store, name)
    was = over.champion
    if was is None or not was.before:
        now = f"version {was.version} is the first champion" if was else "nothing was promoted"
        raise WrongInput(f"{name}: {now} in {store.uri}, there is nothing to go back to.")
    chosen = version or was.before[0]
    if chosen not in was.before:
        raise WrongInput(f"{name}: version {chosen} was never the champion. There were: {', '.join(was.before)}.")
    past = {each: was.sums.get(each, "") for each in was.before[was.before.index(chosen) + 1 :]}
    with tempfile.TemporaryDirectory() as scratch:
        file = _kept(store, name, chosen, was.sums.get(chosen), fetch, Path(scratch))
        now = _made(name, chosen, file, past)
        _move(store, now, file, over)
    return now


def _kept(
    store: Store, name: str, version: str, known: str | None, fetch: Callable[[str], Path] | None, scratch: Path
) -> Path:
    """The file of a version that was published, as it was then."""
    key = model_key(name, version)
    try:
        store.get(key, scratch / FILE, known)
    except (NoObject, ObjectDamaged):
        if fetch:
            return fetch(version)
        raise WrongInput(
            f"{store.uri}/{key}: is gone, or damaged. `schwarz promote {name}/{version} --force` publishes it."
        ) from None
    return scratch / FILE


def versions(store: Store, name: str) -> list[str]:
    """All that are published, by number."""
    return sorted((key.split("/")[2] for key in _keys(store, name)), key=int)


def _move(store: Store, now: Champion, file: Path, over: Standing) -> None:
    """The file, then the pointer, then away with what is above it: with what was there before alone, one by one while
    this is the champion, for the next promotion may have begun."""
    key = model_key(now.name, now.version)
    there = store.find(key)
    if there and there.sha256 not in (None, now.sha256):
        raise WrongInput(
            f"{store.uri}/{key}: is another model already, of another MLflow perhaps: a store belongs to one. Name "
            f"another in SCHWARZ_STORE, or remove {FOLDER}/{now.name} there."
        )
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
        number, _, file = found.key.removeprefix(prefix).partition("/")
        if file == FILE and NUMBER.fullmatch(number):  # beside them may lie what is not ours
            yield found.key


def get(store: Store, found: Champion, target: Path) -> None:
    """The champion's file, as it was published; NoObject where another has taken its place meanwhile."""
    if store.find(model_key(found.name, found.version)) is None:
        raise NoObject(f"{store.uri}/{model_key(found.name, found.version)}: is not there")
    store.get(model_key(found.name, found.version), target, found.sha256)
