"""What a server of the stack keeps between commands, in files that only their owner may read."""

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from schwarz.errors import WrongInput


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, into which nobody else may look."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, content: str) -> None:
    """Write a file that nobody else may read, so that a reader sees the old content or the new, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def write_values(path: Path, values: dict[str, Any]) -> None:
    """Keep some values."""
    write_private(path, json.dumps(values, indent=1) + "\n")


def read_values(path: Path) -> dict[str, Any]:
    """The values kept in a file; none where it is not there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as fault:
        raise WrongInput(
            f"{path}: damaged ({fault}). End the servers that it names, if any runs, and remove {path.parent}."
        ) from None


def secret(folder: Path, name: str) -> str:
    """A password or key of this name: made at random when it is first asked for, and the same ever after."""
    path = folder / "secrets.json"
    values = read_values(path)
    if name not in values:
        make_private(folder)
        values[name] = secrets.token_hex(20)
        write_values(path, values)
    return values[name]
