"""Images and archives that a person might bring, made in the tests; and what is expected of `build`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schwarz.data.adding import build
from schwarz.errors import WrongInput


def draw(file: Path, seed: int, mode: str = "L", size: tuple[int, int] = (6, 5)) -> np.ndarray:
    """Write an image of random pixels, height x width `size`; the pixels."""
    shape = size if mode == "L" else (*size, len(mode))
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
    return pixels


def left(root: Path) -> list[str]:
    """What was written below datasets/."""
    return sorted(str(path.relative_to(root)) for path in (root / "datasets").rglob("*"))


def refuse(message: str, path: Path, root: Path, **options) -> str:
    """Expect a WrongInput that matches, with nothing written; its text."""
    with pytest.raises(WrongInput, match=message) as caught:
        build(path, options.pop("name", "mine"), root, **options)
    assert left(root) == []
    return str(caught.value)


def cut(file: Path, count: int = 30) -> None:
    """Take bytes off the end of a file."""
    file.write_bytes(file.read_bytes()[:-count])
