"""A PNG or JPEG as the pixels a model takes: upright, cut to its form around the middle, in its size and colours."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from schwarz.serving.refused import Refused

FORMATS = ("PNG", "JPEG")
PIXELS = 4096 * 3072
"""Of the largest picture that is decoded, twice at most: what a small file unfolds to must not fill the memory."""
COLOURS = {1: "L", 3: "RGB"}
"""What a model of so many channels takes, by Pillow's names."""
READ = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")
PNG_BITS = 24
"""Where a PNG says how many bits a channel has. Of 16 Pillow would drop some, and say nothing."""
SCAN, SCANS = b"\xff\xda", 100
"""How each scan of a JPEG begins, and how many are decoded: each goes over all pixels, and may be a few bytes."""


def pixels(content: bytes | bytearray, shape: Sequence[int]) -> np.ndarray:
    """uint8 [C, H, W]. What is transparent becomes white."""
    if not content:
        raise Refused("the body is empty: send a PNG or JPEG as it is, as `curl --data-binary @picture.png` does")
    picture = _opened(content)
    try:
        return _fitted(picture, shape)
    except Exception as fault:  # a decoder may meet anything in bytes from anywhere
        raise _broken(fault) from None


def png(image: np.ndarray) -> bytes:
    """Pixels uint8 [C, H, W] as a file."""
    file = BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).save(file, format="PNG")
    return file.getvalue()


def _fitted(picture: Image.Image, shape: Sequence[int]) -> np.ndarray:
    channels, height, width = shape
    side = 2 * max(height, width)
    picture.draft(None, (side, side))  # a JPEG may be decoded at half its size and so on, but of `side` pixels a side
    picture.load()
    ImageOps.exif_transpose(picture, in_place=True)
    clear = picture.has_transparency_data
    mode = "RGBA" if clear else COLOURS[channels]
    picture = ImageOps.fit(picture if picture.mode == mode else picture.convert(mode), (width, height))
    if clear:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    found = np.asarray(picture.convert(COLOURS[channels]))
    return found[None] if channels == 1 else np.moveaxis(found, -1, 0)


def _opened(content: bytes | bytearray) -> Image.Image:
    """The picture, not yet decoded, where it is one that is."""
    try:
        picture = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise Refused(
            "the body is no PNG and no JPEG: send the file as it is, as `curl --data-binary @picture.png` does", 415
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # many more than PIXELS
        raise _too_large("a vast number of") from None
    except Exception as fault:  # as above
        raise _broken(fault) from None
    if picture.width * picture.height > PIXELS:
        raise _too_large(f"{picture.width} x {picture.height}")
    if picture.mode not in READ or (picture.format == "PNG" and content[PNG_BITS] > 8):
        raise Refused(
            "the picture has more than 8 bits a channel, or colours of a rare kind: send 8 bits a channel", 415
        )
    if picture.format != "PNG" and content.count(SCAN) > SCANS:
        raise Refused(f"the picture comes in more than {SCANS} scans: save it anew, not or less progressive", 413)
    return picture


def _too_large(size: str) -> Refused:
    return Refused(f"the picture has {size} pixels: {PIXELS / 1e6:.1f} million are read at most", 413)


def _broken(fault: Exception) -> Refused:
    return Refused(f"the picture cannot be read to its end: {str(fault)[:200]}")
