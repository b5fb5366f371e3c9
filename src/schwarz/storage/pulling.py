"""A version of a data set from a DVC remote, by its md5 alone: no DVC, no git, no checkout."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import read_json, tree
from schwarz.storage.objects import NoObject, Store, open_store
from schwarz.storage.sets import IGNORED, UNFINISHED

MD5 = re.compile(r"[0-9a-f]{32}")
OF_A_FOLDER = ".dir"
STAGE = ".pulling"
"""Where a file lies, in the set's folder, until it is whole and compared."""


def pull(md5: str, remote: str, folder: Path) -> None:
    """Make `folder` the version `<md5>.dir` of a set, from the DVC remote at `remote`: a folder or s3://bucket/prefix.

    Every file is compared with the md5 in the version's listing, one that is there already too, so that a pull that was
    killed, ours or DVC's, is gone on with. A file that was changed, or is no part of the version, is named and left.
    """
    version = md5.removesuffix(OF_A_FOLDER) + OF_A_FOLDER
    if not MD5.fullmatch(md5.removesuffix(OF_A_FOLDER)):
        raise WrongInput(f"data version {md5!r}: is not 32 hex digits and '.dir', as in a .dvc file.")
    store = open_store(remote)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        shutil.rmtree(folder / STAGE, ignore_errors=True)
        try:
            listing = _listing(store, version, folder)
            _clear(folder, listing, version)
            for name, expected in listing.items():
                _deliver(store, expected, folder, name, version)
        finally:
            shutil.rmtree(folder / STAGE, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One pull into a folder at a time, by a lock on the folder itself: a lock file would be no part of the set."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _listing(store: Store, version: str, folder: Path) -> dict[str, str]:
    """The md5 of every file of the version, by its path in the folder."""
    entries = read_json(_received(store, version, folder, "the version's listing"))
    listing = {entry["relpath"]: entry["md5"] for entry in entries}
    for name, md5 in listing.items():
        if not MD5.fullmatch(md5) or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
            raise WrongInput(f"{store.uri}: version {version} lists {name!r}: no file of a set. Add the set anew.")
    return listing


def _clear(folder: Path, listing: dict[str, str], version: str) -> None:
    """Remove what a killed process was writing; name what else is no part of the version."""
    for file in tree(folder):
        name = file.relative_to(folder).as_posix()
        if name in listing or file.name in IGNORED or name.startswith(f"{STAGE}/"):
            continue
        if not UNFINISHED.fullmatch(file.name):
            raise WrongInput(f"{file}: is no file of version {version}. Move it elsewhere, then run again.")
        file.unlink()


def _deliver(store: Store, md5: str, folder: Path, name: str, version: str) -> None:
    """Put the object of this md5 in its place, unless it is there; only a partial copy of it may be overwritten."""
    target = folder / name
    present = _md5(target) if target.exists() else None
    if present == md5:
        return
    whole = _received(store, md5, folder, name)
    if present and not _begins(whole, target):
        changed = f"{target}: md5 {present}, but version {version} says {md5}: it was changed"
        raise WrongInput(f"{changed}. Move it elsewhere, then run again: it is delivered anew.")
    target.parent.mkdir(parents=True, exist_ok=True)
    whole.replace(target)


def _received(store: Store, md5: str, folder: Path, name: str) -> Path:
    """The object of this md5, compared, in the stage; `name` is what a message calls it."""
    key, path = key_of(md5), folder / STAGE / md5
    try:
        store.get(key, path)
    except NoObject:
        where = f"{store.uri}: does not hold {name} (object {md5})"
        raise SchwarzError(f"{where}. Push the set to it from its checkout, with `dvc push`; then run again.") from None
    if (found := _md5(path)) != md5.removesuffix(OF_A_FOLDER):
        where = f"{store.uri}: holds {name} damaged (object {key} has md5 {found}, {path.stat().st_size} bytes)"
        raise SchwarzError(f"{where}. Remove that object, then `dvc push` the set anew from its checkout.")
    return path


def key_of(md5: str) -> str:
    """Where a DVC remote holds the object of this md5."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _begins(whole: Path, partial: Path) -> bool:
    """Whether the one file begins with all that is in the other."""
    with whole.open("rb") as ours, partial.open("rb") as theirs:
        while chunk := theirs.read(2**20):
            if ours.read(len(chunk)) != chunk:
                return False
    return True


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
