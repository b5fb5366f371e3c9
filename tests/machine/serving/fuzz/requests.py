"""Requests that are right, and what they become when values, text, bytes and lengths are bent at random."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.machine.serving.fuzz.judge import DTYPES, OUTPUTS

Draw = st.DrawFn
DEEP: Any = []
for _ in range(60):
    DEEP = [DEEP]
NAMES = (*DTYPES, *OUTPUTS, "image", "Images", "images\0", "", "\ud800", "\uff11", "a:b")
ORDERS, WANTED = st.permutations(list(DTYPES)), st.lists(st.sampled_from(OUTPUTS), unique=True)
KEYS = (
    "id", "parameters", "inputs", "outputs", "name", "datatype", "shape", "data", "binary_data_size", "binary_data",
    "binary_data_output", "input", "Inputs", "a:b",
)  # fmt: skip
NUMBERS = (
    -1, 0, 1, 2, 4, 255, 256, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), 10**40, 10**400,
    0.0, -0.0, 0.5, 1.0, 3e38, 3.5e38, 1e308, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
ODD = st.one_of(
    st.sampled_from([*NUMBERS, *NAMES, None, True, False, [], {}, "0", "true", DEEP]),
    st.sampled_from(["UINT8", "FP32", "BOOL", "INT64", "FP64", "BYTES", "uint8", "U" * 5000]),
    st.lists(st.sampled_from(NUMBERS), max_size=5), st.integers(), st.floats(), st.text(max_size=5),
)  # fmt: skip
"""Values that stand where others should."""
TOKENS = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\ud800", b"\\u0000", b"\0", b"\xff", b"\xef\xbb\xbf", b"NaN",
    b"1e999", b"-", b"0", b"01", b"1.", b"9" * 5000, b"[" * 100_000, b"//", b"\n", b"null", b"true", b"'",
)  # fmt: skip
"""What is put into a request's text."""


@dataclass(frozen=True)
class Body:
    """A request's JSON, the bytes behind it, and what headers say of their border: nothing, or one or more numbers."""

    text: bytes
    behind: bytes = b""
    headers: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        return self.text + self.behind

    @property
    def header(self) -> str | None:
        return ", ".join(each.strip() for each in self.headers) if self.headers else None


@cache
def below(count: int) -> st.SearchStrategy[int]:
    """Kept, as all strategies here are: to make one takes longer than to draw from it."""
    return st.integers(0, count - 1)


def one_of(draw: Draw, *values: Any) -> Any:
    return values[draw(below(len(values)))]


@st.composite
def bodies(draw: Draw) -> Body:
    """Right as often as not."""
    tree, behind, binary = draw(right())
    for _ in range(one_of(draw, 0, 0, 0, 1, 1, 2)):
        tree = draw(bent(tree))
    text = json.dumps(tree, ensure_ascii=one_of(draw, True, False), indent=one_of(draw, None, None, 1))
    body = Body(text.encode(errors="surrogatepass"), behind)
    if one_of(draw, *[False] * 7, True):
        body = replace(body, text=draw(spoilt(body.text)))
    if binary or one_of(draw, *[False] * 9, True):
        body = replace(body, headers=(str(len(body.text)),))
    if body.headers and one_of(draw, *[False] * 4, True):
        body = draw(lying(body))
    return body


@st.composite
def right(draw: Draw) -> tuple[Any, bytes, bool]:
    """A request, the bytes behind it, and whether it has a border between them."""
    n = one_of(draw, 1, 1, 2, 3)
    tensors, behind = [], b""
    binary = one_of(draw, False, True)
    for name in draw(ORDERS):
        datatype, dtype, row = DTYPES[name]
        values = draw(arrays(dtype, (n, *row)))
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(values.shape)}
        if binary and one_of(draw, False, True):
            tensor["parameters"] = {"binary_data_size": values.nbytes}
            behind += values.tobytes()
        else:
            tensor["data"] = values.tolist() if one_of(draw, False, True) else values.ravel().tolist()
        tensors.append(tensor)
    tree: dict[str, Any] = {"inputs": tensors}
    if one_of(draw, False, True):
        tree["id"] = one_of(draw, "", "seven", "a:b", "é\u2028", "\0")
    if one_of(draw, False, True):
        tree["parameters"] = one_of(draw, {}, {"priority": 1, "a:b": ["x:", {"y": None}]}, {"binary_data_output": True})
    if one_of(draw, False, True):
        names = draw(WANTED)
        tree["outputs"] = [{"name": name, **one_of(draw, {}, {"parameters": {"binary_data": True}})} for name in names]
    return tree, behind, binary


@cache
def arrays(dtype: str, shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    """Values of a kind, the outermost ones too."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if dtype == "?":
        return st.lists(st.booleans(), min_size=size, max_size=size).map(lambda v: np.array(v, dtype).reshape(shape))
    content = st.binary(min_size=size, max_size=size).map(lambda v: np.frombuffer(v, dtype).reshape(shape))
    return content.map(lambda v: np.where(np.isfinite(v), v, 0).astype(dtype))


@st.composite
def bent(draw: Draw, tree: Any) -> Any:
    """The same with one place changed: another value, none, twice, or under another name."""
    tree = json.loads(json.dumps(tree))
    if not (there := list(places(tree))):
        return tree  # all of it is gone already
    place, key = one_of(draw, *there)
    way = one_of(draw, "value", "value", "value", "gone", "twice", "renamed", "moved")
    if way == "value":
        place[key] = draw(ODD)
    elif way == "gone":
        del place[key]
    elif way == "twice" and isinstance(place, list):
        place.insert(key, place[key])
    elif way == "renamed" and isinstance(place, dict):
        place[one_of(draw, *KEYS)] = place.pop(key)
    else:
        other, at = one_of(draw, *places(tree))
        other[at] = json.loads(json.dumps(place[key]))
    return tree


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree of JSON that holds a value."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from places(tree[key])


@st.composite
def spoilt(draw: Draw, text: bytes) -> bytes:
    """Bytes with a few too many, too few, or others."""
    at = draw(below(len(text) + 1))
    end = min(len(text), at + 1 + draw(below(20)))
    way = one_of(draw, "more", "fewer", "other", "cut", "again", "key")
    if way == "key":
        at = text.find(b"{", at) + 1
        key, value = json.dumps(one_of(draw, *KEYS)).encode(), json.dumps(draw(ODD)).encode()
        return text[:at] + key + b": " + value + b", " + text[at:]
    return {
        "more": text[:at] + one_of(draw, *TOKENS) + text[at:],
        "fewer": text[:at] + text[end:],
        "other": text[:at] + draw(st.binary(min_size=end - at, max_size=end - at)) + text[end:],
        "cut": text[:at],
        "again": text[:end] + text[at:],
    }[way]


@st.composite
def lying(draw: Draw, body: Body) -> Body:
    """Another border than there is, or other bytes behind it."""
    if one_of(draw, False, True):
        return replace(body, behind=draw(spoilt(body.behind or b"\0")))
    size = len(body.text)
    odd = one_of(draw, "-1", "+5", "1e1", "0x10", "", "9" * 11, "9" * 5000, "²", f" {size} ", f"0{size}")
    near = str(max(0, size - 9 + draw(below(19))))
    return replace(body, headers=one_of(draw, (odd,), (near,), (str(size),) * 2, (near, str(size)), ()))
