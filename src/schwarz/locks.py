"""Lock files: one process at a time does a thing. The kernel lets go of a lock when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file, which is made if need be; Busy when another process does and `wait` is off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if wait:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            with _asking(path):
                _take(file.fileno(), fcntl.LOCK_EX)
        yield


def held(path: Path) -> bool:
    """Whether a living process holds a lock file. The question refuses nobody who wants it meanwhile."""
    if not path.exists():
        return False
    with _asking(path), path.open("rb") as file:
        try:
            _take(file.fileno(), fcntl.LOCK_SH)
        except Busy:
            return True
    return False


@contextmanager
def _asking(path: Path) -> Iterator[None]:
    """Ask one at a time, by a lock on the folder that lasts for microseconds: flock can only be asked by taking it."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _take(file: int, kind: int) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy from None
