"""Where servers find models: `models/NAME/<version>/model.onnx` in the store, which Triton and OpenVINO read as it is,
and `models/NAME/champion.json`, which says which version is the champion.

A version is there as a whole before the pointer names it. Of several versions Triton serves the highest: those above
the champion are taken away after the pointer has left them.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from schwarz.errors import WrongInput
from schwarz.files import sha256
from schwarz.storage import NoObject, Store

FOLDER, FILE, POINTER = "models", "model.onnx", "champion.json"


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


def champion(store: Store, name: str) -> Champion | None:
    """What the pointer says; None where nothing was published."""
    key = f"{FOLDER}/{name}/{POINTER}"
    found = store.find(key)
    if found is None:
        return None
    try:
        told = json.loads(store.read(key, 0, found.size, found.version))
        return Champion(told["name"], told["version"], told["sha256"], tuple(told["before"]))
    except (ValueError, KeyError, TypeError):
        raise WrongInput(
            f"{store.uri}/{key}: is no pointer to a champion. `schwarz promote {name}` writes it."
        ) from None


def publish(store: Store, name: str, version: str, file: Path) -> Champion:
    """Make a version the champion: its file, then the pointer."""
    was = champion(store, name)
    before = () if was is None else tuple(v for v in (was.version, *was.before) if v != version)
    now = Champion(name, version, sha256(file), before)
    store.put(file, model_key(name, version))
    _point(store, now)
    return now


def fall_back(
    store: Store, name: str, version: str | None = None, fetch: Callable[[str], Path] | None = None
) -> Champion:
    """Make a version that was the champion before the champion again, the last one by default. `fetch`: its file from
    elsewhere, where it was taken away from here."""
    was = champion(store, name)
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
            store.put(file, key)
        else:
            raise WrongInput(f"{store.uri}/{key}: is gone. `schwarz promote {name}/{chosen} --force` publishes it.")
        value = sha256(file)
    now = Champion(name, chosen, value, tuple(v for v in was.before if v != chosen))
    _point(store, now)
    return now


def versions(store: Store, name: str) -> list[str]:
    """All that are published, by number."""
    return sorted((key.split("/")[2] for key in _keys(store, name)), key=int)


def _point(store: Store, now: Champion) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / POINTER
        file.write_text(json.dumps(now.to_json(), indent=1))
        store.put(file, f"{FOLDER}/{now.name}/{POINTER}")
    after = champion(store, now.name)  # another's, where two point at once: what it names must stay
    for version in versions(store, now.name):
        if after and int(version) > max(int(now.version), int(after.version)):
            store.remove(model_key(now.name, version))


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
