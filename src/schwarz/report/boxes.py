"""A partition as a picture: its boxes alone, then over sample images, or over slices of sample volumes.

Every box has its colour and its number. What lies in several boxes is tinted by each; what lies in none, as around a
crop, is veiled.
"""

from collections.abc import Sequence
from colorsys import hls_to_rgb
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from schwarz.files import replacing
from schwarz.partition import Box, Partition

Colour = tuple[int, int, int]

SCHEME_PX, IMAGE_PX, SLICE_PX, GAP_PX = 640, 296, 340, 24  # longer side of the boxes alone, an image, a slice; between
TITLE_PX, TEXT_PX, TICK_PX = 22, 18, 14  # heights of letters
NUMBER_PX, NUMBER_SHARE = 10, 20  # the least height of a box's number; the greatest as a share of the panel
INK, MUTED, VEIL = (29, 35, 40), (92, 102, 112), (158, 165, 172)
FEW = [(31, 119, 180), (235, 115, 10), (44, 150, 44), (205, 40, 42), (140, 90, 185), (135, 82, 70), (220, 100, 185),
       (0, 165, 180), (165, 160, 20), (90, 95, 110)]  # fmt: skip


class Label(NamedTuple):
    """Where a number stands, in pixels of its panel."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Label") -> bool:
        """Whether one hides a part of the other."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def pixel(self, scale: float) -> tuple[int, int]:
        """Row and column of the image under its middle."""
        x, y = self.middle
        return int(y / scale), int(x / scale)


@dataclass(frozen=True)
class View:
    """A plane of an image or a volume: `flat` are the boxes that it cuts, `numbers` says which of all they are."""

    flat: Partition
    numbers: tuple[int, ...]
    title: str = ""
    axis: int | None = None
    at: int = 0

    def of(self, image: np.ndarray) -> np.ndarray:
        """The plane of an image uint8 [C, *shape] as [H, W, 3]: its first three channels, or the first as grey."""
        plane = image if self.axis is None else image.take(self.at, self.axis + 1)
        plane = plane[:3] if len(plane) >= 3 else np.repeat(plane[:1], 3, axis=0)
        return np.moveaxis(plane, 0, -1)


def draw(path: Path, partition: Partition, images: np.ndarray, names: Sequence[str], title: Sequence[str]) -> None:
    """Write a PNG of a partition of 2 or 3 axes over `images`, uint8 [n, C, *partition.shape], each under its name;
    the lines of the title stand above."""
    views = planes(partition)
    if images.max(initial=0) == 1:  # masks: 1 is to be seen
        images = images * np.uint8(255)
    shown = [[view.of(image) for view in views] for image in images]
    body = _image(views[0], shown, names) if len(views) == 1 else _volume(views, shown, names)
    sheet = _framed(_column([*(_text(line, min(n, 1)) for n, line in enumerate(title)), body], GAP_PX // 3))
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def planes(partition: Partition) -> list[View]:
    """An image as it is; of a volume, along each axis, the slice nearest to the middle that some box holds, and along
    the first axis as many more as show every box."""
    if len(partition.shape) == 2:
        return [View(partition, tuple(range(len(partition))))]
    views = [_plane(partition, axis, n // 2) for axis, n in enumerate(partition.shape)]
    while unseen := set(range(len(partition))) - {number for view in views for number in view.numbers}:
        start, stop = partition.boxes[min(unseen)].spans[0]
        views.append(_plane(partition, 0, (start + stop) // 2))
    return sorted(views, key=lambda view: (view.axis, view.at))


def _plane(partition: Partition, axis: int, place: int) -> View:
    """The slice nearest to a place that some box holds."""
    spans = [box.spans[axis] for box in partition]
    at = min((min(max(place, start), stop - 1) for start, stop in spans), key=lambda held: abs(held - place))
    numbers = tuple(k for k, (start, stop) in enumerate(spans) if start <= at < stop)
    boxes = tuple(Box(_without(partition.boxes[k].spans, axis)) for k in numbers)
    return View(
        Partition(_without(partition.shape, axis), boxes),
        numbers,
        f"axis {axis}, slice {at} of {partition.shape[axis]}",
        axis,
        at,
    )


def _without(values: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    return values[:axis] + values[axis + 1 :]


def _image(view: View, images: list[list[np.ndarray]], names: Sequence[str]) -> Image.Image:
    """The boxes alone, and two rows of images beside them."""
    tiles = [
        _column([_text(name, 2), panel(view, image, IMAGE_PX)]) for (image,), name in zip(images, names, strict=True)
    ]
    half = -(-len(tiles) // 2)
    rows = [_row(row) for row in (tiles[:half], tiles[half:]) if row]
    return _row([_ticked(panel(view, None, SCHEME_PX), view), *([_column(rows, GAP_PX)] if rows else [])])


def _volume(views: list[View], images: list[list[np.ndarray]], names: Sequence[str]) -> Image.Image:
    """A column for each slice: the boxes alone above a row for each volume."""
    scheme = _row([_column([_text(view.title, 2), panel(view, None, SLICE_PX)]) for view in views])
    rows = [_row([panel(view, plane, SLICE_PX) for view, plane in zip(views, shown, strict=True)]) for shown in images]
    named = [_column([_text(name, 2), row]) for name, row in zip(names, rows, strict=True)]
    return _column([scheme, *named], GAP_PX)


def panel(view: View, picture: np.ndarray | None, side: int) -> Image.Image:
    """One plane, its longer side of `side` pixels: the picture if there is one, the veil, the boxes, their numbers."""
    height, width = view.flat.shape
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    base = Image.new("RGB", size, "white") if picture is None else _resized(picture, size)
    pixels = np.asarray(base).astype(float)
    held = np.asarray(Image.fromarray(view.flat.multiplicity > 0).resize(size, Image.Resampling.NEAREST))
    pixels[~held] = 0.25 * pixels[~held] + 0.75 * np.array(VEIL)
    for number, box in zip(view.numbers, view.flat, strict=True):
        left, top, right, bottom = _corners(box, scale)
        inside, tint = pixels[top:bottom, left:right], 0.1 if picture is not None else 0.26
        inside[:] = (1 - tint) * inside + tint * np.array(colour(number))
    drawn = Image.fromarray(np.rint(pixels).astype(np.uint8))
    _outline(drawn, view, scale)
    _number(drawn, view, scale)
    return drawn


def _resized(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    enlarged = size[0] >= picture.shape[1]
    smooth = Image.Resampling.NEAREST if enlarged else Image.Resampling.BOX
    return Image.fromarray(np.ascontiguousarray(picture)).resize(size, smooth)


def _corners(box: Box, scale: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box in a panel."""
    (top, bottom), (left, right) = ((round(start * scale), round(stop * scale)) for start, stop in box)
    return left, top, right, bottom


def _outline(drawn: Image.Image, view: View, scale: float) -> None:
    """Each box outlined within its own pixels: neighbours' lines lie side by side, those of boxes that are seen as one
    within each other."""
    draw, thick = ImageDraw.Draw(drawn), max(3, max(drawn.size) // 160)
    seen: dict[Box, int] = {}
    for number, box in zip(view.numbers, view.flat, strict=True):
        left, top, right, bottom = _corners(box, scale)
        width = max(1, min(thick, _least((left, top, right, bottom)) // 12))
        inset = width * seen.get(box, 0)
        seen[box] = seen.get(box, 0) + 1
        if _least((left, top, right, bottom)) > 2 * (inset + width):
            place = (left + inset, top + inset, right - inset - 1, bottom - inset - 1)
            draw.rectangle(place, outline=colour(number), width=width)


def _number(drawn: Image.Image, view: View, scale: float) -> None:
    draw = ImageDraw.Draw(drawn)
    for number, label in labels(view, scale).items():
        font = _font(round((label.bottom - label.top) / 1.3))
        draw.rounded_rectangle(label, radius=0.3 * font.size, fill=colour(number))
        draw.text(label.middle, str(number), _on(colour(number)), font, "mm")


def labels(view: View, scale: float) -> dict[int, Label]:
    """Where each box's number stands: in its box, off the others, where few boxes overlap; one that finds no room
    is left out."""
    count, most = view.flat.multiplicity, round(max(view.flat.shape) * scale) // NUMBER_SHARE
    placed: dict[int, Label] = {}
    for number, box in zip(view.numbers, view.flat, strict=True):
        corners = _corners(box, scale)
        font = _font(min(max(_least(corners) // 4, NUMBER_PX), most))
        places = _places(corners, font.getlength(str(number)) + 0.6 * font.size, 1.3 * font.size)
        free = [place for place in places if not any(place.meets(other) for other in placed.values())]
        if free:
            placed[number] = min(free, key=lambda place: count[place.pixel(scale)])
    return placed


def _least(corners: tuple[int, int, int, int]) -> int:
    """The shorter side."""
    left, top, right, bottom = corners
    return min(right - left, bottom - top)


def _places(corners: tuple[int, int, int, int], width: float, height: float) -> list[Label]:
    """Where in a box a label of that size may stand: in the middle rather than aside."""
    left, top, right, bottom = corners
    aside, above = (right - left - width) / 2 - 5, (bottom - top - height) / 2 - 5  # off the outline
    if min(aside, above) < -1:
        return []
    x, y = (left + right - width) / 2, (top + bottom - height) / 2
    steps = sorted(product((0, -0.5, 0.5, -1, 1), repeat=2), key=lambda step: abs(step[0]) + abs(step[1]))
    corner = [(x + max(aside, 0) * i, y + max(above, 0) * j) for j, i in steps]
    return [Label(x, y, x + width, y + height) for x, y in corner]


def colour(number: int) -> Colour:
    """The colour of a box: of the first ones chosen by hand, then hues a golden angle apart."""
    if number < len(FEW):
        return FEW[number]
    red, green, blue = hls_to_rgb(0.618034 * number % 1, (0.36, 0.5)[number % 2], 0.65)
    return round(255 * red), round(255 * green), round(255 * blue)


def _on(ground: Colour) -> str:
    """Black or white, whichever is read more easily."""
    red, green, blue = ground
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else "white"


def _ticked(drawn: Image.Image, view: View) -> Image.Image:
    """A panel with the pixels where boxes start and stop along its left and upper sides, as far as they fit."""
    (height, width), font = view.flat.shape, _font(TICK_PX)
    margin = int(font.getlength(str(height))) + 10
    sheet = Image.new("RGB", (margin + drawn.width + 12, TICK_PX + 12 + drawn.height + 8), "white")
    sheet.paste(drawn, (margin, TICK_PX + 12))
    draw = ImageDraw.Draw(sheet)
    for place in _apart(view, 0, (TICK_PX + 4) * height / drawn.height):
        y = TICK_PX + 12 + place * drawn.height / height
        draw.text((margin - 6, y), str(place), MUTED, font, "rm")
    for place in _apart(view, 1, (font.getlength(str(width)) + 6) * width / drawn.width):
        draw.text((margin + place * drawn.width / width, TICK_PX + 6), str(place), MUTED, font, "mb")
    return sheet


def _apart(view: View, axis: int, least: float) -> list[int]:
    """The starts and stops along an axis, both ends of it first, that lie at least so far from each other."""
    last = view.flat.shape[axis]
    kept = [0, last]
    for edge in sorted({edge for box in view.flat for edge in box.spans[axis]}):
        if all(abs(edge - other) >= least for other in kept):
            kept.append(edge)
    return kept


def _font(height: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(height)
    assert isinstance(font, ImageFont.FreeTypeFont)  # what Pillow's wheels hold
    return font


def _text(line: str, level: int) -> Image.Image:
    """A line of text: 0 is the title, 1 what stands below it, 2 a caption."""
    font, ink = _font(TITLE_PX if level == 0 else TEXT_PX), MUTED if level == 1 else INK
    drawn = Image.new("RGB", (int(font.getlength(line)) + 2, int(1.4 * font.size)), "white")
    ImageDraw.Draw(drawn).text((0, drawn.height / 2), line, ink, font, "lm")
    return drawn


def _row(tiles: Sequence[Image.Image]) -> Image.Image:
    """Side by side, a gap between them."""
    sheet = Image.new("RGB", (sum(t.width + GAP_PX for t in tiles) - GAP_PX, max(t.height for t in tiles)), "white")
    for n, tile in enumerate(tiles):
        sheet.paste(tile, (sum(t.width + GAP_PX for t in tiles[:n]), 0))
    return sheet


def _column(tiles: Sequence[Image.Image], gap: int = 4) -> Image.Image:
    """Below each other."""
    sheet = Image.new("RGB", (max(t.width for t in tiles), sum(t.height + gap for t in tiles) - gap), "white")
    for n, tile in enumerate(tiles):
        sheet.paste(tile, (0, sum(t.height + gap for t in tiles[:n])))
    return sheet


def _framed(body: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (body.width + 2 * GAP_PX, body.height + 2 * GAP_PX), "white")
    sheet.paste(body, (GAP_PX, GAP_PX))
    return sheet
