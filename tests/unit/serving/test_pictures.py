"""A picture of any form becomes the pixels that a model takes; what is none is refused, whatever its bytes are."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schwarz.serving.pictures import PIXELS, pixels, png
from schwarz.serving.refused import Refused

START = b"\x89PNG\r\n\x1a\n"
COLOUR = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def file(picture: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    content = BytesIO()
    picture.save(content, kind, **how)
    return content.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def lying(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has so many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return START + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def sixteen_bits() -> bytes:
    """A PNG of one pixel in colours of 16 bits."""
    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    return START + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")


def palette(alpha: bytes) -> bytes:
    """A PNG of one pixel from a palette, with so many transparencies."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 3, 0, 0, 0)
    parts = (b"IHDR", head), (b"PLTE", bytes(768)), (b"tRNS", alpha), (b"IDAT", zlib.compress(bytes(2))), (b"IEND", b"")
    return START + b"".join(chunk(name, content) for name, content in parts)


def test_what_has_the_size_already_stays_as_it_is() -> None:
    assert (pixels(png(COLOUR), (3, 4, 5)) == COLOUR).all()
    assert (pixels(png(COLOUR[:1]), (1, 4, 5)) == COLOUR[:1]).all()


def test_colours_become_grey_and_grey_becomes_colours() -> None:
    assert pixels(png(COLOUR), (1, 4, 5)).shape == (1, 4, 5)
    assert (pixels(png(COLOUR[:1]), (3, 4, 5)) == COLOUR[:1]).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_pixels_is_read(mode: str) -> None:
    content = file(Image.new("RGB", (5, 4), "white").convert(mode))
    assert (pixels(content, (3, 4, 5)) == 255).all()


def test_a_jpeg_of_a_press_is_read() -> None:
    assert (pixels(file(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG"), (3, 4, 5)) >= 254).all()


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (5, 4), (0, 0, 0, 0))
    clear.putpixel((2, 1), (10, 20, 30, 255))
    found = pixels(file(clear), (3, 4, 5))
    assert found[:, 1, 2].tolist() == [10, 20, 30]
    assert (found.sum((1, 2)) == 255 * 19 + np.array([10, 20, 30])).all()


def test_a_photograph_is_turned_upright() -> None:
    lying_down = Image.new("L", (40, 20))
    lying_down.paste(255, (0, 0, 20, 20))
    turned = Image.Exif()
    turned[0x0112] = 6  # what is to the left belongs above
    (found,) = pixels(file(lying_down, "JPEG", exif=turned, quality=95), (1, 40, 20))
    assert found[:18].mean() > 250
    assert found[22:].mean() < 5


def test_of_a_long_picture_the_middle_is_taken() -> None:
    wide = Image.new("L", (300, 100))
    wide.paste(200, (100, 0, 200, 100))
    (found,) = pixels(file(wide), (1, 10, 10))
    assert (found[:, 2:-2] == 200).all()
    assert (found > 180).all()


def test_a_large_photograph_keeps_what_it_shows() -> None:
    """A JPEG is decoded at a part of its size: nothing moves by it."""
    large = Image.new("L", (3200, 3200))
    large.paste(255, (1600, 0, 3200, 1600))
    (found,) = pixels(file(large, "JPEG"), (1, 8, 8))
    assert (found[:3, 5:] > 250).all()
    assert (found[5:] < 5).all()
    assert (found[:, :3] < 5).all()


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 400, "the body is empty: send a PNG or JPEG"),
        (b'{"inputs": []}', 415, "no PNG and no JPEG"),
        (file(Image.new("L", (4, 4)), "GIF"), 415, "no PNG and no JPEG"),
        (file(Image.new("I;16", (4, 4))), 415, "more than 8 bits a channel"),
        (sixteen_bits(), 415, "more than 8 bits a channel"),
        (file(Image.new("L", (4, 4)), "JPEG") + b"\xff\xda" * 101, 413, "in more than 100 scans"),
        (palette(b"\x80" * 300), 400, "cannot be read to its end"),
        (png(np.zeros((3, 50, 50), np.uint8))[:-40], 400, "cannot be read to its end"),
        (file(Image.effect_noise((50, 50), 90), "JPEG")[:-400], 400, "cannot be read to its end"),
        (lying(60000, 60000), 413, "a vast number of pixels: 12.6 million are read at most"),
        (lying(10000, 10000), 413, "pixels: 12.6 million are read at most"),
        (lying(6000, 6000), 413, "6000 x 6000 pixels: 12.6 million are read at most"),
        (lying(PIXELS + 1, 1), 413, "12.6 million are read at most"),
        (lying(400, 400), 400, "cannot be read to its end"),
    ],
)  # fmt: skip
def test_what_is_refused(content: bytes, status: int, message: str) -> None:
    with pytest.raises(Refused) as refused:
        pixels(content, (3, 4, 5))
    assert refused.value.status == status
    assert message in refused.value.message


FILES = (png(COLOUR), file(Image.effect_noise((20, 20), 90), "JPEG"), file(Image.new("P", (5, 4)), transparency=0))


@given(st.data())
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        content = content or bytearray(1)
    try:
        found = pixels(content, (3, 4, 5)).shape, 200
    except Refused as refused:
        found = len(refused.message) < 400, refused.status
    assert found in [((3, 4, 5), 200), *((True, status) for status in (400, 413, 415))]
