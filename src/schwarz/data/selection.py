"""Which images are used for what, and the constants that normalise them: functions of labels, counts and a seed."""

from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schwarz.data.packed import Images
from schwarz.errors import WrongInput
from schwarz.seeds import derive

CHUNK = 2**22  # bytes counted at once: bounds the memory when x is mapped from a file


def split_validation(y: NDArray[np.integer], share: float, seed: int) -> NDArray[np.bool_]:
    """Mask [n] of the validation images: `share` of every class, at least one image, at most all but one."""
    counts = np.bincount(y)
    alone = np.flatnonzero(counts == 1)
    if len(alone):
        raise WrongInput(f"class {alone[0]} has one training image: none is left to validate on. Add images of it.")
    wanted = np.clip(np.rint(share * counts), 1, counts - 1)
    return _rank_in_class(y, seed) < wanted[y]


def balanced_limit(y: NDArray[np.integer], n: int, seed: int) -> NDArray[np.intp]:
    """Ascending indices of `n` images, as evenly spread over the classes as their sizes allow."""
    classes = len(np.unique(y))
    if not classes <= n <= len(y):
        message = f"data.limit {n} is not between {classes} (one image per class) and {len(y)} (all of them)"
        raise WrongInput(f"{message}. Choose a number between, or leave it unset.")
    return np.sort(np.lexsort((y, _rank_in_class(y, seed)))[:n])


def parts(
    y: NDArray[np.integer], limit: int | None, validation: float | Literal["test"], seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of y that a run with this seed trains on, and those that it keeps for validation."""
    rows = np.arange(len(y)) if limit is None else balanced_limit(y, limit, derive(seed, "limit"))
    if validation == "test":
        return rows, rows[:0]
    kept = split_validation(y[rows], validation, derive(seed, "validation"))
    return rows[~kept], rows[kept]


def channel_statistics(x: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation [C] of x/255 per channel, of the raw images x [n, C, *spatial], before any padding.

    Exact, since pixel values are counted, not summed: the same for an array, a memory map and any order. A channel that
    is constant gets the deviation of half a grey level, so that dividing by it is harmless.
    """
    values = np.arange(256) / 255
    counts = np.zeros((x.shape[1], 256), np.int64)
    step = max(1, CHUNK // prod(x.shape[1:]))
    for start in range(0, len(x), step):
        for channel, pixels in enumerate(np.moveaxis(x[start : start + step], 1, 0)):
            counts[channel] += np.bincount(pixels.ravel(), minlength=256)
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(np.maximum(variance, (0.5 / 255) ** 2))


def _rank_in_class(y: NDArray[np.integer], seed: int) -> NDArray[np.intp]:
    """For each image its place [n] in a random order of the images of its class."""
    order = np.lexsort((np.random.default_rng(seed).random(len(y)), y))
    starts = np.concatenate(([0], np.cumsum(np.bincount(y))))
    rank = np.empty(len(y), np.intp)
    rank[order] = np.arange(len(y)) - starts[y[order]]
    return rank
