"""What a run tells while it runs: one file of JSON lines per step and part.

The journal is the single source of the progress that the command line shows and of the curves that MLflow keeps:
a step only appends lines, so a slow reader or an absent server never holds up the work.
"""

import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Journal:
    """Appends the events of one step, or of one part of it, to a file."""

    def __init__(self, path: Path, step: str, part: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.step, self.part = path, step, part
        _mend(path)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; a single write, so that a reader never sees half of one from a living writer."""
        line = {"t": round(time.time(), 3), "step": self.step, "part": self.part, "event": event, **fields}
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            content = (json.dumps(line) + "\n").encode()
            if (written := os.write(handle, content)) < len(content):  # a disk that fills up in the middle of a line
                os.ftruncate(handle, os.fstat(handle).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        finally:
            os.close(handle)


class Tail:
    """Reads all journals of a folder as they grow; `offsets` says how far, and can be kept and given back."""

    def __init__(self, folder: Path, offsets: dict[str, int] | None = None) -> None:
        self.folder = folder
        self.offsets = dict(offsets or {})

    def poll(self) -> list[Event]:
        """The whole lines written since the last call, oldest first."""
        events: list[Event] = []
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self.offsets.get(path.name, 0))
                whole = file.read().rpartition(b"\n")[0]
            events += [json.loads(line) for line in whole.splitlines() if line.strip()]
            self.offsets[path.name] = self.offsets.get(path.name, 0) + (len(whole) + 1 if whole else 0)
        return sorted(events, key=lambda event: event["t"])


def read(folder: Path) -> Iterator[Event]:
    """Every event so far, oldest first."""
    yield from Tail(folder).poll()


def _mend(path: Path) -> None:
    """Cut off a last line that a killed or disk-starved writer left without its end."""
    if path.exists() and not (content := path.read_bytes()).endswith(b"\n") and content:
        os.truncate(path, content.rfind(b"\n") + 1)
