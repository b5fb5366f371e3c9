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
"""Of 16 bits a channel Pillow would keep the lower ones, and say nothing."""


def pixels(content: bytes | bytearray, shape: Sequence[int]) -> np.ndarray:
    """uint8 [C, H, W]. What is transparent becomes white."""
    channels, height, width = shape
    picture = _decoded(content, 2 * max(height, width))
    clear = picture.has_transparency_data
    picture = ImageOps.fit(picture.convert("RGBA" if clear else COLOURS[channels]), (width, height))
    if clear:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    found = np.asarray(picture.convert(COLOURS[channels]))
    return found[None] if channels == 1 else np.moveaxis(found, -1, 0)


def png(image: np.ndarray) -> bytes:
    """Pixels uint8 [C, H, W] as a file."""
    file = BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).save(file, format="PNG")
    return file.getvalue()


def _decoded(content: bytes | bytearray, side: int) -> Image.Image:
    """The picture as it is to be looked at; a JPEG may be of half the size and so on, but of `side` pixels a side."""
    try:
        picture = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise Refused(
            "the body is no PNG and no JPEG: send the file as it is, as `curl --data-binary @picture.png` does", 415
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # many more than PIXELS
        raise _too_large("a vast number of") from None
    except Exception as fault:  # a decoder may meet anything in bytes from anywhere
        raise _broken(fault) from None
    if picture.width * picture.height > PIXELS:
        raise _too_large(f"{picture.width} x {picture.height}")
    if picture.mode not in READ:
        raise Refused(f"the picture has pixels of the kind {picture.mode!r}: 8 bits a channel are read", 415)
    try:
        picture.draft(None, (side, side))
        picture.load()
        return ImageOps.exif_transpose(picture)
    except Exception as fault:
        raise _broken(fault) from None


def _too_large(size: str) -> Refused:
    return Refused(f"the picture has {size} pixels: {PIXELS / 1e6:.1f} million are read at most", 413)


def _broken(fault: Exception) -> Refused:
    return Refused(f"the picture cannot be read to its end: {str(fault)[:200]}")
