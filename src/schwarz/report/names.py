"""Where the names in a chart are written: near what they name, off the lines, never on each other."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from schwarz.report.figures import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = Sequence[tuple[float, float]]  # one point or more, in the data of the axes

_LETTER, _HEIGHT = 6.3, 13  # of a name in 11 px: the width of a letter in a wide typeface, and its height
_GAP, _STEP = 9, 6.5  # pixels between a point and its name at the nearest, and between the places that are tried
_MARGIN = np.array([-4, -1, 4, 1])  # kept free around a name: half of a dot
_ASIDE = np.array([-8, 0, 8, 0])  # and of other names, which would read on as one word
_NEVER = 1e6  # how bad it is to lie on another name or outside the axes; all else counts in pixels
_LEADER = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 5}


def write(axes: "Axes", lines: Mapping[str, Line], colours: Mapping[str, str]) -> None:
    """Write every line's name beside its last point; a thin line leads back from a name that lies further off.

    The figure's layout must be settled (drawn once), for names are placed in pixels.
    """
    paths = {name: axes.transData.transform(line) for name, line in lines.items()}
    dots, drawn = np.array([path[-1] for path in paths.values()]), np.concatenate([*map(_walk, paths.values())])
    frame, taken = np.array(axes.get_window_extent().extents), list[np.ndarray]()
    for name, path in paths.items():
        point = path[-1]
        spots = _spots(point, _LETTER * len(name))
        spot = spots[np.argmin(_badness(spots, point, dots, drawn, taken) + _NEVER * _outside(spots, frame))]
        taken.append(spot)
        near = _nearest(spot, point)
        far = np.hypot(*(near - point)) > 2 * _GAP
        axes.annotate(
            name,
            point,
            (spot[0], (spot[1] + spot[3]) / 2),
            xycoords="figure pixels",
            textcoords="figure pixels",
            va="center",
            fontsize=11,
            color=colours[name],
            arrowprops=_LEADER | {"relpos": (near - spot[:2]) / (spot[2:] - spot[:2])} if far else None,
        )
        if far:
            drawn = np.concatenate([drawn, _walk(np.array([near, point]))])


def _spots(point: np.ndarray, width: float) -> np.ndarray:
    """Places to try, [n, (left, bottom, right, top)]: right of the point, left of it and over it, near and far."""
    aside, reach = _GAP + _STEP * np.arange(14), _STEP * np.arange(-24, 25)
    lefts = point[0] + np.concatenate([aside, -aside - width, [-width / 2]])
    left, middle = (grid.ravel() for grid in np.meshgrid(lefts, point[1] + reach))
    return np.stack([left, middle - _HEIGHT / 2, left + width, middle + _HEIGHT / 2], axis=1)


def _badness(
    spots: np.ndarray, point: np.ndarray, dots: np.ndarray, drawn: np.ndarray, taken: Sequence[np.ndarray]
) -> np.ndarray:
    """Of every place: how far it is from its point, what a name or its leader there would cover."""
    near = _nearest(spots, point)
    leaders = near[:, None] + (point - near)[:, None] * np.linspace(0, 1, 16)[:, None]
    found = np.hypot(*(near - point).T)
    for covered, each in ((drawn, 3), (dots, 5)):
        found += each * _STEP * _inside(covered, spots[:, None] + _MARGIN).sum(axis=1)
    for dot in dots[np.hypot(*(dots - point).T) > _GAP / 2]:
        found += 2 * _STEP * (np.hypot(*(leaders - dot).T) < _GAP / 2).any(axis=0)
    for other in taken:
        found += 2 * _STEP * _inside(leaders, other).any(axis=1)
        for kept, bad in ((other, _NEVER), (other + _ASIDE, _NEVER / 10)):
            found += bad * ((spots[:, :2] < kept[2:]) & (kept[:2] < spots[:, 2:])).all(axis=1)
    return found


def _outside(spots: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return np.any((spots[:, :2] < frame[:2]) | (spots[:, 2:] > frame[2:]), axis=1)


def _nearest(spots: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The place in a box that is nearest to a point."""
    return np.clip(point, spots[..., :2], spots[..., 2:])


def _inside(points: np.ndarray, spots: np.ndarray) -> np.ndarray:
    return np.all((spots[..., :2] < points) & (points < spots[..., 2:]), axis=-1)


def _walk(path: np.ndarray) -> np.ndarray:
    """Points along a line, a few pixels apart."""
    pieces = [path[-1:]]
    for start, end in pairwise(path):
        pieces.append(np.linspace(start, end, 2 + int(np.hypot(*(end - start)) / 3)))
    return np.concatenate(pieces)
