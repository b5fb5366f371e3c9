"""Where received bytes go: into memory, or into a file, of which the sum is taken on the way.

A sink gives `room` for the next bytes and is told what it got. The room is used again and again: to receive into new
ones takes a third more time. The sum is taken where the bytes are still near: a thread beside would fetch them from
another core, which takes a quarter more processor time.
"""

import hashlib
from typing import BinaryIO, Protocol

ROOM = 2**20


class Sink(Protocol):
    """What is received into."""

    def room(self) -> memoryview:
        """Where the next bytes may be put; the same again when nothing was."""
        ...

    def got(self, content: memoryview) -> None:
        """The filled part of the room that was given last."""
        ...


class Memory:
    """So many bytes in memory."""

    def __init__(self, length: int) -> None:
        self.content = bytearray(length)
        self._at = 0

    def room(self) -> memoryview:
        return memoryview(self.content)[self._at :]

    def got(self, content: memoryview) -> None:
        self._at += len(content)


class Summed:
    """A file without a buffer of its own, and the sha256 of what was written into it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._total = file, hashlib.sha256()
        self._room = memoryview(bytearray(ROOM))

    def room(self) -> memoryview:
        return self._room

    def got(self, content: memoryview) -> None:
        self._total.update(content)
        while content:  # a disk that is nearly full takes a part
            content = content[self._file.write(content) :]

    def sha256(self) -> str:
        """Of all of it."""
        return self._total.hexdigest()
