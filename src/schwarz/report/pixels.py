"""Pictures made of pixels: images and heat maps as PNG data URIs, boxes as rectangles over them."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

Box = Sequence[Sequence[int]]  # (start, stop) of the rows, then of the columns
HEAT = (24, 132, 156)  # between the accents of the light and of the dark page
FOR, AGAINST = (255, 122, 26), (38, 104, 230)  # as in page.css; told apart by those who see no red or no green too
SIDE = 96
"""Images that maps lie over have at most so many pixels a side."""


def png(pixels: np.ndarray) -> str:
    """uint8 [H, W], [H, W, 3] or [H, W, 4] as a data URI."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def photo(image: np.ndarray) -> str:
    """One image uint8 [C, H, W] as a data URI: in colour when it has three channels, else its first channel."""
    return png(np.moveaxis(image, 0, -1) if len(image) == 3 else image[0])


def heat(depth: np.ndarray) -> str:
    """Values of 0 to 1, [H, W], as one colour of that opacity over whatever the page's colour is."""
    return png(shaded(depth))


def shaded(depth: np.ndarray) -> np.ndarray:
    """The same as pixels, uint8 [H, W, 4]."""
    alpha = np.rint(255 * depth).astype(np.uint8)
    colour = np.broadcast_to(np.array(HEAT, np.uint8), (*depth.shape, 3))
    return np.dstack([colour, alpha])


def signed(values: np.ndarray) -> str:
    """Values [H, W] as a data URI: one colour above 0 and another below, the largest value the strongest."""
    strength = np.abs(values) / max(float(np.abs(values).max()), np.finfo(np.float32).tiny)
    alpha = np.rint(225 * strength).astype(np.uint8)
    return png(np.dstack([np.where((values > 0)[..., None], *np.array([FOR, AGAINST], np.uint8)), alpha]))


def thumbnail(image: np.ndarray) -> np.ndarray:
    """An image uint8 [C, H, W] of at most SIDE pixels a side, as `png` takes it: in colour when it has three channels,
    else its first channel."""
    shown = Image.fromarray(np.moveaxis(image, 0, -1) if len(image) == 3 else image[0])
    shown.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(shown)


def faded(pixels: np.ndarray) -> str:
    """A thumbnail as a data URI, grey and without its extremes, so that any colour shows on it."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    return png(np.rint(105 + 0.5 * grey).astype(np.uint8))


def rectangles(boxes: Sequence[Box]) -> list[tuple[int, int, int, int]]:
    """Boxes as (x, y, width, height)."""
    return [(left, top, right - left, bottom - top) for (top, bottom), (left, right) in boxes]


def coverage(shape: Sequence[int], boxes: Sequence[Box], values: Sequence[float]) -> np.ndarray:
    """[H, W]: at every pixel the mean of the values of the boxes that hold it, 0 where none does."""
    total, count = np.zeros(shape), np.zeros(shape)
    for ((top, bottom), (left, right)), value in zip(boxes, values, strict=True):
        total[top:bottom, left:right] += value
        count[top:bottom, left:right] += 1
    return total / np.maximum(count, 1)
