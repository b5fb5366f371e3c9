"""Images that are not brought here: each batch is read from the store when it is asked for."""

import io
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from threading import Lock
from typing import Any, Self

import numpy as np

from schwarz.errors import SchwarzError
from schwarz.storage import Store

HEADER_BYTES = 1024
"""More than the header of any array has that we write."""
GAP_BYTES, RANGE_BYTES = 2**16, 2**23
"""Rows that lie closer than this are read by one request; how much one request reads at most, or a row."""
REQUESTS = 8
"""At once."""
_counting = Lock()


@dataclass(frozen=True, eq=False)
class Streamed:
    """An array of a store as far as networks read it: some rows at a time, each compared with its checksum."""

    store: Store
    key: str
    version: str
    """Of the object: one that is written anew meanwhile is refused."""
    shape: tuple[int, ...]
    dtype: np.dtype
    begins: int
    """Where the first row does, in bytes."""
    checksums: np.ndarray
    """[n], of the bytes of each row."""
    taken: list[int] = field(default_factory=lambda: [0])
    """How many bytes of rows this process has received."""

    @classmethod
    def of(cls, store: Store, key: str, checksums: np.ndarray) -> Self:
        """The array that a store holds as .npy."""
        found = store.find(key)
        if found is None:
            raise SchwarzError(f"{store.uri}/{key}: is not there any more. Resume the run to write it again.")
        head = io.BytesIO(store.read(key, 0, min(HEADER_BYTES, found.size), found.version))
        np.lib.format.read_magic(head)
        shape, _, dtype = np.lib.format.read_array_header_1_0(head)
        return cls(store, key, found.version, shape, dtype, head.tell(), checksums)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return len(self) * self.row_bytes

    def __getitem__(self, at: Any) -> np.ndarray:
        """The rows of a slice, or of an array of their numbers, in any order."""
        rows = np.arange(len(self))[at]
        wanted, places = np.unique(rows, return_inverse=True)
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        ranges = list(self._ranges(wanted))
        with ThreadPoolExecutor(min(REQUESTS, max(1, len(ranges)))) as threads:
            for begin, part in zip(ranges, threads.map(lambda each: self._read(wanted[each]), ranges), strict=True):
                found[begin] = part
        return found[places]

    def _ranges(self, wanted: np.ndarray) -> Iterator[slice]:
        """The rows that are wanted, those together that one request reads."""
        begin = 0
        for end in range(1, len(wanted) + 1):
            if end < len(wanted):
                gap = (wanted[end] - wanted[end - 1] - 1) * self.row_bytes
                length = (wanted[end] - wanted[begin] + 1) * self.row_bytes
                if gap <= GAP_BYTES and length <= RANGE_BYTES:
                    continue
            yield slice(begin, end)
            begin = end

    def _read(self, wanted: np.ndarray) -> np.ndarray:
        first, last = int(wanted[0]), int(wanted[-1])
        begin, length = self.begins + first * self.row_bytes, (last - first + 1) * self.row_bytes
        content = self.store.read(self.key, begin, length, self.version)
        with _counting:
            self.taken[0] += length
        rows = np.frombuffer(content, self.dtype).reshape(-1, *self.shape[1:])[wanted - first]
        if (checksums(rows) != self.checksums[wanted]).any():
            raise SchwarzError(
                f"{self.store.uri}/{self.key}: is not what `split` wrote. Resume the run to write it again."
            )
        return rows


def checksums(rows: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """[n], uint32: of the bytes of each row."""
    return np.array([zlib.crc32(np.ascontiguousarray(row).tobytes()) for row in rows], np.uint32)
