"""Files for `/v1`: pictures, and what only looks like one. Checksums are right: what stands in a chunk is read."""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.machine.serving.fuzz.requests import Draw, below, one_of, spoilt

START = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of each of PNG's colour types."""
MOST = 2**20
BEFORE = (
    b"PLTE",
    b"tRNS",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"iCCP",
    b"eXIf",
    b"pHYs",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"acTL",
    b"fcTL",
    b"tIME",
    b"abcD",
)
CONTENTS = (
    b"", b"\0", b"\0" * 3, b"\xff" * 768, b"\0" * 769, struct.pack(">I", 2**32 - 1), struct.pack(">II", 2, 0),
    b"a\0\0" + zlib.compress(bytes(2**22)), b"a\0\0" + zlib.compress(bytes(100)), b"a\0\0\0b",
    b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", b"MM\0*" + b"\xff" * 40,
    b"Exif\0\0II*\0" + b"\0" * 9,
)  # fmt: skip
MISSING = ("", "?missing=0", "?missing=0,1", "?missing=", "?missing=2", "?missing=-1", "?missing=%C2%B2", "?other=1",
           f"?missing={'9' * 5000}")  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A file that is sent; `right`: it must be answered."""

    content: bytes
    query: str
    right: bool


@st.composite
def pictures(draw: Draw) -> Picture:
    query = one_of(draw, *MISSING)
    fits = query in MISSING[:4]
    way = one_of(draw, "saved", "saved", "bent", "built", "built", "built")
    if way == "built":
        return Picture(draw(_built()), query, right=False)
    content = draw(_saved())
    return Picture(content, query, fits) if way == "saved" else Picture(draw(spoilt(content)), query, right=False)


@st.composite
def _saved(draw: Draw) -> bytes:
    """By Pillow itself, in each of its ways."""
    mode, kind = one_of(
        draw, ("L", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("L", "JPEG"), ("CMYK", "JPEG")
    )
    size, noise, file = (1 + draw(below(40)), 1 + draw(below(40))), draw(st.binary(min_size=4, max_size=64)), BytesIO()
    grey = Image.fromarray(np.resize(np.frombuffer(noise, np.uint8), size[::-1]))
    grey.convert("RGB" if mode == "RGBA" else "L").convert(mode).save(
        file,
        kind,
        optimize=one_of(draw, False, True),
        **({"progressive": one_of(draw, False, True)} if kind == "JPEG" else {}),
    )
    return file.getvalue()


@st.composite
def _built(draw: Draw) -> bytes:
    """A PNG of chunks, each what it says it is, that may not fit each other."""
    side = (0, 1, 2, 3, 7, 33, 33, 33, 4096, 60_000, 2**31 - 1, 2**32 - 1)
    width, height, bits, colours = (
        one_of(draw, *side),
        one_of(draw, *side),
        one_of(draw, 1, 2, 4, 8, 8, 8, 16, 3),
        one_of(draw, 0, 2, 3, 4, 6, 1),
    )
    head = struct.pack(">IIBBBBB", width, height, bits, colours, *(one_of(draw, 0, 0, 0, 1) for _ in range(3)))
    row = 1 + (width * bits * CHANNELS.get(colours, 1) + 7) // 8
    wanted = min(MOST, max(0, row * height + one_of(draw, 0, 0, 0, -1, 1, 1000)))
    noise = draw(st.binary(min_size=1, max_size=64))
    packed = zlib.compress((noise * (wanted // len(noise) + 1))[:wanted])
    if one_of(draw, *[False] * 4, True):
        packed = draw(spoilt(packed))
    middle = [_chunk(one_of(draw, *BEFORE), one_of(draw, *CONTENTS)) for _ in range(one_of(draw, 0, 0, 1, 2))]
    cut = draw(below(len(packed) + 1))
    parts = [_chunk(b"IHDR", head), *middle, _chunk(b"IDAT", packed[:cut]), _chunk(b"IDAT", packed[cut:])]
    parts += [_chunk(b"IEND", b"")] if one_of(draw, *[True] * 4, False) else []
    return START + b"".join(draw(st.permutations(parts)) if one_of(draw, *[False] * 9, True) else parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
