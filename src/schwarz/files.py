"""Files that are whole or absent: every write goes to a temporary file in the target folder and is renamed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path, *, sync: bool = True, scratch: Path | None = None) -> Iterator[Path]:
    """A temporary path beside `path`, or in `scratch` on the same file system; it takes `path`'s place when the block
    ends well, and is removed when not.

    Without `sync` that holds when a process is killed, not when a machine loses power: for what can be got again.
    """
    folder = scratch or path.parent
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp's 0600 would hide the file from the other users of a shared folder
        if sync:
            _sync(temporary)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
        if sync:
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value atomically; a NaN, which is not JSON, is refused."""
    write_atomic(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def copy(source: Path, target: Path) -> None:
    """Copy a file so that a reader sees the old target or the whole new one."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def read_json(path: Path) -> Any:
    """The JSON value in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree(folder: Path) -> list[Path]:
    """Every file below a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
