"""What the pods of a run leave in the object store, so that whoever comes later can send it: files under spool/<uid>/,
laid out as in the folder of a `Tracked`.

logs/journal/ has one journal of every pod, copied while it grows; beside it, once its step has ended, how much of it
was sent. A pod that is tried again leaves another journal. logs/pending/ has a model that is still to be registered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from schwarz.tracking.tracked import Tracked, spool_of


class Named(Protocol):
    """An object of a store."""

    @property
    def key(self) -> str: ...


class Store(Protocol):
    """What is asked of an object store: `schwarz.storage` has such ones."""

    @property
    def uri(self) -> str: ...

    def put(self, source: Path, key: str) -> str:
        """Keep a file under a key: whoever reads it gets the old one or the whole new one."""
        ...

    def get(self, key: str, target: Path) -> int:
        """Fetch what is kept under a key."""
        ...

    def list(self, prefix: str = "") -> Iterable[Named]:
        """All whose key begins so."""
        ...

    def remove(self, key: str) -> None:
        """Keep nothing under a key."""
        ...


@dataclass(frozen=True)
class Spool:
    """The spool of one run: all keys of a store that begin with `prefix`."""

    store: Store
    prefix: str = ""

    def put(self, name: str, content: Path) -> None:
        """Keep a file's content under a name: `results.json`, `report.html`, `logs/journal/...`."""
        self.store.put(content, self.prefix + name)

    def keep(self, run: Tracked, *files: Path) -> None:
        """Keep files of a run's folder under their names there."""
        for file in files:
            self.put(run.name_of(file), file)

    def fetch(self, folder: Path) -> list[str]:
        """Fetch everything; the names."""
        keys = [each.key for each in self.store.list(self.prefix)]
        for key in keys:
            self.store.get(key, folder / key.removeprefix(self.prefix))
        return [key.removeprefix(self.prefix) for key in keys]

    def drop(self, name: str) -> None:
        """Forget a file."""
        self.store.remove(self.prefix + name)


def spool_in(store: Store, uid: str) -> Spool:
    """The spool of a run in the store that all pods share."""
    return Spool(store, f"{spool_of(uid)}/")
