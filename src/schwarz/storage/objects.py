"""The few operations on objects that everything else is built on, over a folder or an S3 store.

An object is bytes under a key. A writer leaves the old object or the whole new one; a reader gets the whole object,
checked against its sha256, or an error and no file. Keys are paths with `/`, relative to the store's `uri`.
"""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from schwarz.errors import SchwarzError, WrongInput
from schwarz.storage.retrying import Patience

Say = Callable[[str], None]
LONGEST_KEY = 1024  # bytes, in S3
PART = re.compile(r"[^.\x00-\x1f\x7f\\/][^\x00-\x1f\x7f\\/]*")  # SeaweedFS takes a backslash for a slash


class NoObject(SchwarzError):
    """There is no object under that key."""


class ObjectChanged(SchwarzError):
    """The object is no longer the one that was asked for: somebody wrote it anew."""


class ObjectDamaged(SchwarzError):
    """The bytes are not those of the sha256 that was asked for, or that was kept with them."""


class StoreAway(SchwarzError):
    """The store did not answer for as long as it was waited for. Nothing is half-written."""


class Object(NamedTuple):
    """What is known of an object without reading it."""

    key: str
    size: int
    sha256: str | None
    """As it was when it was put; None where nobody kept it, and in the lists of an S3 store, which do not tell it."""
    version: str
    """Another one for other bytes: the ETag; of a file its time, number and size."""


class Store(Protocol):
    """A folder, or a bucket's prefix. It can be pickled, and used from several threads."""

    @property
    def uri(self) -> str: ...

    def put(self, source: Path, key: str) -> str:
        """Keep a file's bytes and their sha256, which is returned. What is there already is not written twice."""
        ...

    def replace(self, source: Path, key: str, version: str | None) -> None:
        """Keep a small file's bytes in the place of this version of the object, of none where it is None; ObjectChanged
        where another has come in between. Of two that replace the same version one alone does."""
        ...

    def get(self, key: str, target: Path, sha256: str | None = None) -> int:
        """Make `target` the whole object, of this sha256, else of the one kept with it; how many bytes it took."""
        ...

    def read(self, key: str, start: int, length: int, version: str | None = None) -> bytes:
        """Exactly `length` bytes of the object, of this version of it where one is named."""
        ...

    def find(self, key: str) -> Object | None:
        """What is known of an object, None where there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[Object]:
        """Every object whose key begins so (`a/b` has `a/bc` too), by key."""
        ...

    def remove(self, key: str) -> None:
        """Make the key name nothing, as it may already do."""
        ...


def _log(text: str) -> None:
    logging.getLogger("schwarz.storage").warning(text)


def open_store(uri: str | Path, patience: Patience | None = None, say: Say = _log) -> Store:
    """The store at a folder's path or `s3://bucket/prefix`; nothing is asked of it yet.

    The endpoint of an S3 store and the keys to it come from the environment alone: AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION. A store that does not answer is
    waited for as long as `patience` says, and `say` is told.
    """
    text = str(uri)
    if text.startswith("s3://"):
        from schwarz.storage.s3 import S3Store

        return S3Store(text, patience or Patience(), say)
    if not text or re.match(r"[a-z][a-z0-9+.-]*:", text, re.IGNORECASE):
        shown = re.sub(".*@", "...@", text)  # what stands before it may be a password
        raise WrongInput(f"store {shown!r}: is no folder and not of the form s3://bucket/prefix. Name one of these.")
    from schwarz.storage.folder import FolderStore

    return FolderStore(text)


def ready(store: Store | str, wait_s: float = 60, say: Say = _log) -> None:
    """Return once the store answers, knows the keys and has the bucket; StoreAway when it is silent for `wait_s`."""
    uri = store if isinstance(store, str) else store.uri
    patience = Patience(wait_s, min(wait_s, Patience.answer_s))
    next(open_store(uri, patience, say).list("ready"), None)


def checked(key: str) -> str:
    """A key that means the same in a folder and in every S3 store."""
    if all(PART.fullmatch(part) for part in key.split("/")) and _bytes(key) <= LONGEST_KEY:
        return key
    rule = "names with / between them, none of which begins with a dot or holds a backslash or a control character"
    raise WrongInput(f"object key {key!r}: must be {rule}; {LONGEST_KEY} bytes at most.")


def _bytes(key: str) -> int:
    """In UTF-8; what cannot be said in it is too long."""
    try:
        return len(key.encode())
    except UnicodeEncodeError:
        return LONGEST_KEY + 1
