"""What a set holds, in figures and as a picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from schwarz.data.info import DataInfo
from schwarz.data.packed import Images, Part, read_meta, shards
from schwarz.files import replacing, tree

PARTS: tuple[Part, ...] = ("train", "test")
TILE_PX, GAP_PX, FONT_PX = 56, 4, 16
PER_CLASS = 10  # images in a row of the contact sheet


@dataclass(frozen=True)
class Summary:
    """A set in figures; plain values only."""

    name: str
    md5: str
    shape: tuple[int, ...]
    counts: dict[str, dict[str, int]]  # class -> {"train": images, "test": images}
    train: int
    test: int
    size_bytes: int  # of its files, compressed
    licence: str
    source: str


def show(info: DataInfo) -> Summary:
    """Read the set's folder, which `schwarz.storage.fetch` made present, and count."""
    meta = read_meta(info.folder)
    counts = {part: np.zeros(len(meta.classes), int) for part in PARTS}
    for part in PARTS:
        for _, y in shards(info.folder, part):
            counts[part] += np.bincount(y, minlength=len(meta.classes))
    return Summary(
        name=info.name,
        md5=info.md5,
        shape=meta.shape,
        counts={name: {part: int(counts[part][k]) for part in PARTS} for k, name in enumerate(meta.classes)},
        train=int(counts["train"].sum()),
        test=int(counts["test"].sum()),
        size_bytes=sum(file.stat().st_size for file in tree(info.folder)),
        licence=meta.licence,
        source=meta.source,
    )


def contact_sheet(info: DataInfo, path: Path) -> None:
    """Write a PNG: a row per class with its name and its first training images."""
    font = ImageFont.load_default(FONT_PX)
    margin = GAP_PX + int(max(font.getlength(name) for name in info.classes)) + 2 * GAP_PX
    pitch = TILE_PX + GAP_PX
    sheet = Image.new("RGB", (margin + PER_CLASS * pitch, len(info.classes) * pitch + GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (name, images) in enumerate(zip(info.classes, _examples(info), strict=True)):
        top = GAP_PX + row * pitch
        draw.text((GAP_PX, top + TILE_PX // 2), name, fill="black", font=font, anchor="lm")
        for column, image in enumerate(images):
            sheet.paste(_tile(image), (margin + column * pitch, top))
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _examples(info: DataInfo) -> list[list[Images]]:
    examples: list[list[Images]] = [[] for _ in info.classes]
    for x, y in shards(info.folder, "train"):
        for k, chosen in enumerate(examples):
            chosen += list(x[y == k][: PER_CLASS - len(chosen)])
    return examples


def _tile(image: Images) -> Image.Image:
    """One image [C, H, W], as large as fits; of a volume [C, D, H, W] the middle slice across its shortest axis.

    Of two or four channels the last (not a colour) is left out.
    """
    if image.ndim == 4:
        shortest = 1 + int(np.argmin(image.shape[1:]))
        image = image.take(image.shape[shortest] // 2, axis=shortest)
    pixels = np.moveaxis(image[:3], 0, -1) if len(image) >= 3 else image[0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    height, width = image.shape[1:]
    scale = TILE_PX / max(height, width)
    smooth = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    return picture.resize((max(1, round(width * scale)), max(1, round(height * scale))), smooth)
