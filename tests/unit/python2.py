"""Protocol 2 as Python 2's cPickle wrote it: strings of bytes, memo numbers from 1, arrays by three names and a buffer.

Nothing is pickled here: the opcodes are written out.
"""

import struct
from typing import Any

import numpy as np


class Writer:
    """One stream; `value` appends a value to it."""

    def __init__(self) -> None:
        self.out, self.stored = bytearray(b"\x80\x02"), 0

    def put(self) -> None:
        """Store the value on top of the stack in the memo."""
        self.stored += 1
        self.out += b"q" + bytes([self.stored]) if self.stored < 256 else b"r" + struct.pack("<i", self.stored)

    def value(self, value: Any) -> None:
        match value:
            case bool() | None:
                self.out += {True: b"\x88", False: b"\x89", None: b"N"}[value]
            case int():
                self.out += number(value)
            case str():
                self.out += text(value.encode("latin-1"))
                self.put()
            case list():
                self.out += b"]"
                self.put()
                for start in range(0, len(value), 1000):  # cPickle's batches
                    self.several(b"(", value[start : start + 1000], b"e")
            case dict():
                self.out += b"}"
                self.put()
                self.several(b"(", [item for pair in value.items() for item in pair], b"u")
            case np.ndarray():
                self.array(value)

    def several(self, begin: bytes, values: list[Any], end: bytes) -> None:
        self.out += begin
        for value in values:
            self.value(value)
        self.out += end

    def array(self, array: np.ndarray) -> None:
        """numpy.ndarray.__reduce__ of numpy 1 under Python 2."""
        self.out += b"cnumpy.core.multiarray\n_reconstruct\n"
        self.put()
        self.out += b"cnumpy\nndarray\n"
        self.put()
        self.out += b"K\x00\x85U\x01b\x87R"
        self.put()
        self.out += b"(K\x01" + number(array.shape[0]) + number(array.shape[1]) + b"\x86"
        self.out += b"cnumpy\ndtype\n"
        self.put()
        self.out += b"U\x02u1K\x00K\x01\x87R"
        self.put()
        self.out += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        self.out += b"T" + struct.pack("<i", array.size) + array.tobytes() + b"tb"


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    return b"M" + struct.pack("<H", value) if 0 <= value < 2**16 else b"J" + struct.pack("<i", value)


def text(value: bytes) -> bytes:
    return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value


def dumps(value: Any) -> bytes:
    """The whole file of one value."""
    writer = Writer()
    writer.value(value)
    return bytes(writer.out + b".")
