"""A folder whose files are kept in a store as well, so that another pod, whose disk is empty, goes on from them."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schwarz.errors import SchwarzError
from schwarz.files import tree
from schwarz.steps.place import Place, scratch
from schwarz.storage import NoObject, ObjectDamaged, Store, open_store

EVERY_S = 5.0
LAST_S = 30.0
"""How often it is looked for what is new; how long the last look may take, for a store that hangs must not hold a step
up: what it has not got by then another attempt makes again."""
Stamp = tuple[int, int]


@contextmanager
def checkpoints_at(place: Place, key: str, say: Callable[[str], None]) -> Iterator[Path]:
    """Where trainings leave what they go on from: in $SCHWARZ_CHECKPOINTS by the key of the result, so that a pod
    with an empty disk finds them; else at the place of the step, where those of other code are left alone."""
    given = os.environ.get("SCHWARZ_CHECKPOINTS")
    if given is None:
        yield place.checkpoints
    elif not given.startswith("s3://"):
        yield Path(given) / key
    else:
        with mirrored(open_store(given), key, scratch() / "checkpoints" / key, say) as folder:
            yield folder


def forget(key: str) -> None:
    """Remove what a training of this key left: nobody goes on from it any more."""
    given = os.environ.get("SCHWARZ_CHECKPOINTS")
    if given is not None:
        with suppress(SchwarzError):  # a store that is away now; a rule of the bucket removes what is old
            store = open_store(given)
            for each in list(store.list(f"{key}/")):
                store.remove(each.key)


@contextmanager
def mirrored(store: Store, prefix: str, folder: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """The folder, filled with what the store has below the prefix; from here on the store is told what becomes of it,
    until the block has ended."""
    for each in store.list(f"{prefix}/"):
        try:
            store.get(each.key, folder / each.key.removeprefix(prefix).lstrip("/"), each.sha256)
        except (ObjectDamaged, NoObject) as fault:  # the one before it may be whole
            say(f"passed over: {fault}")
    mirror = Mirror(store, prefix, folder, say)
    mirror.thread.start()
    try:
        yield folder
    finally:
        mirror.ended.set()
        mirror.thread.join(LAST_S)


class Mirror:
    """Puts what is new or changed into the store, then removes what is gone, in a thread of its own."""

    def __init__(self, store: Store, prefix: str, folder: Path, say: Callable[[str], None]) -> None:
        self.store, self.prefix, self.folder, self.say = store, prefix, folder, say
        self.known = self._stamps()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        told = False
        while True:
            last = self.ended.wait(EVERY_S)
            try:
                self._pass()
            except (SchwarzError, OSError) as fault:
                if not told:
                    self.say(f"checkpoints do not reach the store: {fault}")
                told = True
            if last:
                return

    def _pass(self) -> None:
        """Smallest first: what a checkpoint is read by lies beside it, and is there before it."""
        now = self._stamps()
        for path in sorted(now, key=lambda path: now[path][1]):
            if self.known.get(path) != now[path]:
                try:
                    self.store.put(path, self._key(path))
                except FileNotFoundError:  # a newer one has taken its place meanwhile
                    continue
                self.known[path] = now[path]
        for path in self.known.keys() - now.keys():
            self.store.remove(self._key(path))
            del self.known[path]

    def _key(self, path: Path) -> str:
        return f"{self.prefix}/{path.relative_to(self.folder).as_posix()}"

    def _stamps(self) -> dict[Path, Stamp]:
        """Every file that is whole, with what changes when another one takes its place."""
        found: dict[Path, Stamp] = {}
        for path in tree(self.folder):
            if not path.name.startswith("."):
                try:
                    about = path.stat()
                except FileNotFoundError:
                    continue
                found[path] = (about.st_mtime_ns, about.st_size)
        return found
