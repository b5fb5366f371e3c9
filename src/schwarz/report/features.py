"""Figure 3.7 of document 3 as a picture: feature maps of local networks beside those of the composed network.

A row is one local network on one image. For every layer stand one of its channels at its place in the whole map, the
same channel of the composed network, and their difference in the same shades; the activation field is outlined.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from schwarz.files import replacing
from schwarz.report.figures import ACCENT, INK, MUTED, RULE, blank, drawing, inline
from schwarz.report.pixels import shaded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from schwarz.feature_maps import Pair
    from schwarz.windows import Interval

Colours = Mapping[str, str]

TILE, GAP, GROUP, ROW = 84, 5, 21, 26  # pixels of a map, between maps, between layers, below a row
HEAD, MARGIN = 62, 2  # height of the heads of the columns; around all
NAME = 36  # letters of a layer's name that fit above its maps
DARKER = 0.6  # the power of a shade: faint features are to be seen
ON_PHOTO = "#2aa3bd"  # seen on black and on white
KINDS = ("local", "composed", "difference")
WIDE = len(KINDS) * TILE + (len(KINDS) - 1) * GAP  # of a layer
ASIS: Colours = {colour: colour for colour in (INK, MUTED, RULE, ACCENT)}
LIGHT: Colours = {INK: "#1b2227", MUTED: "#5c6870", RULE: "#c3cace", ACCENT: "#0b6c82"}
"""The colours of the light page, for a file that stands alone."""


def svg(pairs: Sequence["Pair"], images: np.ndarray) -> str:
    """The picture as an <svg> element for a page; `images` uint8 [n, C, H, W] are those of the pairs."""
    with drawing():
        title = "Feature maps of local networks beside those of the composed network"
        return inline(_figure(pairs, images, ASIS), "features", title, told(pairs))


def write(path: Path, pairs: Sequence["Pair"], images: np.ndarray) -> None:
    """The picture as a file, PNG or SVG as its name says."""
    from matplotlib import rc_context

    with drawing(), rc_context({"svg.hashsalt": "features"}), replacing(path) as temporary:
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        _figure(pairs, images, LIGHT).savefig(temporary, dpi=144, facecolor="white", metadata=metadata)


def told(pairs: Sequence["Pair"]) -> str:
    """The differences that the picture shows, in words."""
    names = {pair.layer: pair.name for pair in pairs}
    each = (f"layer {layer} ({name}) {largest(pairs, layer)}" for layer, name in names.items())
    return f"Largest difference on the activation fields: {'; '.join(each)}."


def largest(pairs: Sequence["Pair"], layer: int) -> str:
    """The largest difference of a layer where its features must agree."""
    gaps = [pair.gap for pair in pairs if pair.layer == layer and pair.claimed]
    return f"{max(gaps):.1e}".replace("0.0e+00", "0") if gaps else "not claimed"


def _figure(pairs: Sequence["Pair"], images: np.ndarray, colours: Colours) -> "Figure":
    rows = list(dict.fromkeys((pair.image, pair.box) for pair in pairs))
    layers = list(dict.fromkeys(pair.layer for pair in pairs))
    lefts = {layer: MARGIN + TILE + GROUP + n * (WIDE + GROUP) for n, layer in enumerate(layers)}
    width = max(lefts.values()) + WIDE + MARGIN
    height = HEAD + len(rows) * (TILE + ROW)
    figure, (axes,) = blank(width, height)
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for layer, left in lefts.items():
        first = next(pair for pair in pairs if pair.layer == layer)
        _head(axes, first, left, largest(pairs, layer), colours)
    for n, (image, box) in enumerate(rows):
        top = HEAD + n * (TILE + ROW)
        mine = [pair for pair in pairs if (pair.image, pair.box) == (image, box)]
        _photo(axes, images[image], mine[0], top, colours)
        for pair in mine:
            _triple(axes, pair, lefts[pair.layer], top, colours)
    return figure


def _head(axes: "Axes", pair: "Pair", left: float, gap: str, colours: Colours) -> None:
    """What stands above a layer's maps."""
    height, width = pair.shape
    axes.text(left, 11, f"layer {pair.layer}, {height}x{width}", color=colours[INK], fontsize=12, weight="bold",
              va="center")  # fmt: skip
    axes.text(left + WIDE, 11, f"on the field: {gap}", color=colours[MUTED], fontsize=11, ha="right", va="center")
    axes.text(left, 30, _ending(pair.name), color=colours[INK], fontsize=11, va="center")
    for n, kind in enumerate(KINDS):
        axes.text(left + n * (TILE + GAP), 49, kind, color=colours[MUTED], fontsize=11, va="center")


def _ending(name: str) -> str:
    """A name that fits; of a long one its end, which tells the layers of one block apart."""
    return name if len(name) <= NAME else f"\u2026{name[1 - NAME :].lstrip('.')}"


def _photo(axes: "Axes", image: np.ndarray, pair: "Pair", top: float, colours: Colours) -> None:
    """The image, and which box of it the local network sees."""
    shown = Image.fromarray(np.moveaxis(image, 0, -1) if len(image) == 3 else image[0]).convert("RGB")
    shown.thumbnail((TILE, TILE), Image.Resampling.BOX)
    _map(axes, np.asarray(shown), MARGIN, top)
    _outline(axes, pair.seen, image.shape[1:], MARGIN, top, ON_PHOTO)
    axes.text(MARGIN, top + TILE + 10, f"box {pair.box}", color=colours[INK], fontsize=11, va="center")


def _triple(axes: "Axes", pair: "Pair", left: float, top: float, colours: Colours) -> None:
    """A channel of the local network, of the composed one, and what lies between them."""
    low = min(0.0, float(np.nanmin(pair.local)), float(pair.whole.min()))
    span = max(float(np.nanmax(pair.local)), float(pair.whole.max())) - low or 1.0
    difference = np.abs(pair.whole - pair.local)
    for n, values in enumerate(((pair.local - low), (pair.whole - low), difference)):
        at = left + n * (TILE + GAP)
        _map(axes, shaded(np.clip(np.nan_to_num(values) / span, 0, 1) ** DARKER), at, top)
        _outline(axes, ((0, pair.shape[0]), (0, pair.shape[1])), pair.shape, at, top, colours[RULE])
        if pair.claimed:
            _outline(axes, pair.field, pair.shape, at, top, colours[ACCENT])
    axes.text(left, top + TILE + 10, f"channel {pair.channel}", color=colours[MUTED], fontsize=11, va="center")


def _map(axes: "Axes", pixels: np.ndarray, left: float, top: float) -> None:
    """A picture in a square of TILE."""
    height, width = pixels.shape[:2]
    scale = TILE / max(height, width)
    axes.imshow(
        pixels, extent=(left, left + width * scale, top + height * scale, top), interpolation="none", aspect="auto",
        origin="upper",
    )  # fmt: skip


def _outline(
    axes: "Axes", spans: "Iterable[Interval]", shape: Sequence[int], left: float, top: float, colour: str
) -> None:
    """A rectangle of a map, where it holds anything."""
    from matplotlib.patches import Rectangle

    (up, down), (first, last) = spans
    scale = TILE / max(shape)
    if down > up and last > first:
        corner = (left + first * scale, top + up * scale)
        axes.add_patch(Rectangle(corner, (last - first) * scale, (down - up) * scale, fill=False, edgecolor=colour,
                                 linewidth=1.2))  # fmt: skip
