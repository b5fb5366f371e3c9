"""Plain values out of a pickle of protocol 2, read as data: nothing is unpickled, imported or called.

The batches of CIFAR are dicts of strings, numbers, lists and uint8 arrays, written by Python 2, or again by Python 3.
`pickletools.genops` splits such a file into opcodes and runs none of them; the few that those files use are given their
meaning here. An array is three names and a buffer: the names are compared, never looked up. So are bytes of Python 3: a
text with one character for each, and the name of its encoding. Every other opcode or name is refused with its place.
"""

import pickletools
import struct
from math import prod
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from schwarz.errors import WrongInput

MARK = object()
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {"BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE"}
EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS, GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
RECONSTRUCTS = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")  # numpy 1; numpy 2
NDARRAY, DTYPE, ENCODE = "numpy ndarray", "numpy dtype", "_codecs encode"
REMEDY = (
    "Only a whole file of protocol 2, of plain values and uint8 arrays, is read. Take the original archive, or save "
    "the images as an .npz file."
)


class Name(str):
    """What GLOBAL names: kept as text."""


class ByteType:
    """numpy.dtype("u1"), the only type of an array here."""


class Array:
    """An array that is named before its values come."""

    values = np.empty(0, np.uint8)

    def fill(self, state: Any) -> None:
        """Take (version, shape, dtype, Fortran order, buffer), as ndarray.__reduce__ of Python 2 gives it."""
        _, shape, dtype, fortran, buffer = state
        raw = np.frombuffer(buffer.encode("latin-1"), np.uint8)
        if not isinstance(dtype, ByteType) or prod(shape) != len(raw):
            raise ValueError(f"an array of shape {short(shape)} and {len(raw)} bytes is none of uint8")
        self.values = raw.reshape(shape, order="F" if fortran else "C")


def read_dict(file: Path) -> dict[str, Any]:
    """The dict that a file of protocol 2 holds; bytes are str, each byte a character; arrays are uint8."""
    machine, position, name = Machine(), 0, "PROTO"
    try:
        for opcode, argument, place in pickletools.genops(file.read_bytes()):
            name, position = opcode.name, place or 0
            machine.step(name, argument)
        (result,) = machine.stack
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError, struct.error) as fault:
        message = f"{file}: at opcode {name}, byte {position}: {' '.join(str(fault).split())}"
        raise WrongInput(f"{message}. {REMEDY}") from None
    if not isinstance(result, dict):
        raise WrongInput(f"{file}: holds no dict, but {type(result).__name__}.")
    return {key: value.values if isinstance(value, Array) else value for key, value in result.items()}


class Machine:
    """The stack and the memo of a pickle, and what each known opcode does to them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Take one opcode; ValueError and its like where it is unknown or does not fit."""
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in LITERALS:
            self.stack.append(argument)
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in TUPLES:
            self.stack.append(tuple(self.top(TUPLES[name])))
        elif name in PUTS:
            self.memo[argument] = self.stack[-1]
        elif name in GETS and argument in self.memo:
            self.stack.append(self.memo[argument])
        else:
            self.build(name, argument)

    def build(self, name: str, argument: Any) -> None:
        """The opcodes that put together what stands on the stack."""
        match name:
            case "PROTO" if argument == 2:
                pass
            case "MARK":
                self.stack.append(MARK)
            case "TUPLE":
                self.stack.append(tuple(self.since_mark()))
            case "APPEND" | "APPENDS":
                items = self.since_mark() if name == "APPENDS" else self.top(1)
                self.last(list).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self.since_mark() if name == "SETITEMS" else self.top(2)
                self.last(dict).update(pairs(items))
            case "GLOBAL":
                self.stack.append(known(argument))
            case "REDUCE":
                self.stack.append(made(*self.top(2)))
            case "BUILD":
                (state,) = self.top(1)
                if not isinstance(self.last(Array, ByteType), ByteType):  # its own state only says: no fields
                    self.stack[-1].fill(state)
            case "STOP":
                pass
            case _:
                raise ValueError(f"with {short(argument)}, it is none of those that make plain values")

    def top(self, count: int) -> list[Any]:
        """Take the last `count` values off the stack."""
        if len(self.stack) < count:
            raise ValueError("the stack is empty")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def since_mark(self) -> list[Any]:
        """Take what stands above the last MARK off the stack, with the mark."""
        start = len(self.stack) - 1
        while start >= 0 and self.stack[start] is not MARK:
            start -= 1
        if start < 0:
            raise ValueError("no MARK stands before it")
        return self.top(len(self.stack) - start)[1:]

    def last(self, *kinds: type) -> Any:
        """What stands on top of the stack, of one of these kinds."""
        if not self.stack or not isinstance(self.stack[-1], kinds):
            raise ValueError(f"does not follow {' or '.join(kind.__name__ for kind in kinds)}")
        return self.stack[-1]


def known(name: str) -> Name:
    """One of the names that an array or bytes are written with."""
    if name not in (*RECONSTRUCTS, NDARRAY, DTYPE, ENCODE):
        raise ValueError(f"asks for {short(name)}, which is no part of an array")
    return Name(name)


def pairs(items: list[Any]) -> dict[str, Any]:
    """Keys, which are strings, and values in turn."""
    keys = items[::2]
    if not all(type(key) is str for key in keys):
        raise ValueError("a key is no string")
    return dict(zip(keys, items[1::2], strict=True))


def made(name: Any, arguments: Any) -> Array | ByteType | str:
    """What numpy's own two calls would make, of these arguments alone; bytes stay the text that they are written as."""
    if isinstance(name, Name):
        if name in RECONSTRUCTS and arguments == (NDARRAY, (0,), "b"):
            return Array()
        if (name, arguments) == (DTYPE, ("u1", 0, 1)):
            return ByteType()
        if name == ENCODE and arguments[1:] == ("latin1",) and type(arguments[0]) is str:
            arguments[0].encode("latin-1")  # ValueError where a character is no byte
            return arguments[0]
    raise ValueError(f"would call {short(name)} with {short(arguments)}, and nothing is called")
