"""Lock files: one process at a time does a thing. The kernel lets go of a lock when its holder dies."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Busy(Exception):
    """Another process holds the lock: `who`, and `since` when."""

    def __init__(self, who: str = "another process", since: str = "now") -> None:
        super().__init__(who, since)
        self.who, self.since = who, since


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file, which is made if need be; Busy when another process does and `wait` is off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if wait:
            fcntl.flock(file, fcntl.LOCK_EX)
            _sign(file.fileno())
        else:
            with alone(path):
                _take(file.fileno(), fcntl.LOCK_EX, path)
                _sign(file.fileno())
        yield


def held(path: Path) -> bool:
    """Whether a living process holds a lock file. The question refuses nobody who wants it meanwhile."""
    if not path.exists():
        return False
    with alone(path), path.open("rb") as file:
        try:
            _take(file.fileno(), fcntl.LOCK_SH, path)
        except Busy:
            return True
    return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One at a time in the file's folder, by a lock on the folder itself, which leaves nothing behind: for what lasts a
    moment, such as asking for a lock, which flock can only do by taking it."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _sign(file: int) -> None:
    """Write who holds a lock into it; one that is not signed, for the disk is full, holds as well."""
    holder = {"process": os.getpid(), "host": os.uname().nodename, "since": time.time()}
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.write(file, json.dumps(holder).encode())


def _holder(path: Path) -> Busy:
    """Who signed a lock that is held."""
    try:
        signed = json.loads(path.read_text())
    except (OSError, ValueError):
        return Busy()
    day, minute = (time.strftime(form, time.localtime(signed["since"])) for form in ("%Y-%m-%d", "%H:%M"))
    today = day == time.strftime("%Y-%m-%d")
    return Busy(f"process {signed['process']} on {signed['host']}", f"since {minute if today else f'{day} {minute}'}")


def _take(file: int, kind: int, path: Path) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _holder(path) from None
