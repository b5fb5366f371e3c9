"""A store that is a folder: every object a file, written whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from schwarz.files import replacing, tree
from schwarz.files import sha256 as sha256_of
from schwarz.locks import alone
from schwarz.storage.objects import NoObject, Object, ObjectChanged, ObjectDamaged, checked

KEPT = "user.sha256"
"""The file's attribute that holds the sum: it comes and goes with the file. Some file systems keep none."""
CHUNK = 2**20


@dataclass(frozen=True)
class FolderStore:
    """The objects below a folder, which is made when the first one is put."""

    uri: str

    def put(self, source: Path, key: str) -> str:
        path = self._path(key)
        with source.open("rb") as file:  # once: another file may take its place meanwhile
            value, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            if path.is_file() and path.stat().st_size == size and sha256_of(path) == value:
                return value
            # not beside it: what a killed process leaves in a folder of its own would be a version to Triton
            with replacing(path, scratch=Path(self.uri)) as temporary, temporary.open("wb") as copy:
                file.seek(0)
                shutil.copyfileobj(file, copy)
                _keep(temporary, value)
        return value

    def replace(self, source: Path, key: str, version: str | None) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            found = self.find(key)
            if (found and found.version) != version:
                raise ObjectChanged(f"{path}: was written anew, and stays as it is. Look at it and try again.")
            self.put(source, key)

    def get(self, key: str, target: Path, sha256: str | None = None) -> int:
        path, total = self._path(key), hashlib.sha256()
        with self._opened(key) as file, replacing(target) as temporary, temporary.open("wb") as copy:
            while chunk := file.read(CHUNK):
                copy.write(chunk)
                total.update(chunk)
            wanted = sha256 or _kept(file.fileno())
            if wanted and total.hexdigest() != wanted:
                raise ObjectDamaged(
                    f"{path}: its sha256 is {total.hexdigest()}, expected is {wanted}: it was damaged or written anew. "
                    "Remove it, then resume the run to write it again."
                )
            return copy.tell()

    def read(self, key: str, start: int, length: int, version: str | None = None) -> bytes:
        with self._opened(key) as file:
            found = _version(os.fstat(file.fileno()))
            content = os.pread(file.fileno(), length, start)
        if version not in (None, found) or len(content) != length:
            raise ObjectChanged(
                f"{self._path(key)}: was written anew while it was read: bytes {start} to {start + length} are not "
                "those that were asked for. Resume the run."
            )
        return content

    def find(self, key: str) -> Object | None:
        path = self._path(key)
        return _object(key, path) if path.is_file() else None

    def list(self, prefix: str = "") -> Iterator[Object]:
        root = Path(self.uri)
        below = self._path(folder) if (folder := prefix.rpartition("/")[0]) else root
        keys = sorted(path.relative_to(root).as_posix() for path in tree(below))
        # what begins with a dot is being written, or is no object of ours
        ours = (key for key in keys if key.startswith(prefix) and "/." not in f"/{key}")
        yield from (_object(key, root / key) for key in ours)

    def remove(self, key: str) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others lie there
            path.parent.rmdir()  # an empty folder would be a version to Triton

    def _path(self, key: str) -> Path:
        return Path(self.uri, checked(key))

    def _opened(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NoObject(f"{self._path(key)}: there is no such object. Resume the run to write it.") from None


def _object(key: str, path: Path) -> Object:
    about = path.stat()
    return Object(key, about.st_size, _kept(path), _version(about))


def _version(about: os.stat_result) -> str:
    return f"{about.st_mtime_ns:x}-{about.st_ino:x}-{about.st_size:x}"


def _keep(path: Path, value: str) -> None:
    with suppress(OSError, AttributeError):  # a file system, or a system, that keeps none
        os.setxattr(path, KEPT, value.encode())


def _kept(file: Path | int) -> str | None:
    try:
        return os.getxattr(file, KEPT).decode()
    except (OSError, AttributeError):
        return None
