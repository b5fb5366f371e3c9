"""The tables of `benchmarks.lost_boxes`."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import ttest_1samp

from schwarz.study.spread import spread
from schwarz.study.table import markdown

Found = Mapping[str, Mapping[str, Sequence[np.ndarray]]]
"""Name of a strategy -> part -> for 0 to N - 1 missing boxes [choices, images], what is right."""
BASE = "coarse 0"


def tell(found: Sequence[Found]) -> Iterator[str]:
    """All tables, of one study's seeds."""
    n = len(found[0][BASE]["test"])
    columns = sorted({0, 1, 2, n // 4, n // 2, 3 * n // 4, n - 1})
    names = list(found[0])
    coarse = [name for name in names if name.startswith("coarse ")]
    for part, asked in (("validation", coarse), ("test", names)):
        head = (f"{part}, boxes missing", *map(str, columns), "mean")
        rows = [(name, *_accuracies(found, name, part, columns)) for name in asked]
        yield from ("", *markdown(head, rows))
    interval = "+- half of the 95% interval of the mean by Student's t-distribution"
    yield f"Means over the seeds, {interval}; mean: over 0 to {n - 1} missing boxes."
    best = max(coarse, key=lambda name: _mean(found, name, "validation"))
    yield f"Best in the mean on validation images: {best}."
    for other, than in (*((name, BASE) for name in coarse[1:]), *((best, name) for name in names[: -len(coarse)])):
        rows = [("", *_differences(found, other, than, columns))]
        yield from ("", *markdown((f"{other} less {than}", *map(str, columns)), rows))
    yield "Test images, paired by image, with the 95% interval over images, these seeds held fixed; in brackets the"
    yield "difference of each seed, and the interval of their mean over seeds where they are enough for one."


def _accuracies(found: Sequence[Found], name: str, part: str, columns: Sequence[int]) -> Iterator[str]:
    for m in columns:
        known = spread([float(each[name][part][m].mean()) for each in found])
        half = known and known.half
        yield f"{known.mean:.3f}" + (f" +- {half:.3f}" if half is not None else "") if known else ""
    yield f"{_mean(found, name, part):.3f}"


def _mean(found: Sequence[Found], name: str, part: str) -> float:
    """Over the seeds, and over all numbers of missing boxes."""
    return float(np.mean([[rights.mean() for rights in each[name][part]] for each in found]))


def _differences(found: Sequence[Found], one: str, other: str, columns: Sequence[int]) -> Iterator[str]:
    """Of each image the mean over seeds and choices of boxes, which are the same for both; then the seeds."""
    for m in columns:
        by_seed = np.stack([each[one]["test"][m].mean(0) - each[other]["test"][m].mean(0) for each in found])
        ends = ttest_1samp(by_seed.mean(0), 0).confidence_interval(0.95)
        yield f"{by_seed.mean():+.3f} ({ends.low:+.3f} to {ends.high:+.3f}) [{_seeds(by_seed.mean(1))}]"


def _seeds(values: np.ndarray) -> str:
    told, known = " ".join(f"{value:+.3f}" for value in values), spread(values.tolist())
    if known is None or known.half is None:
        return told
    return f"{told}: {known.mean - known.half:+.3f} to {known.mean + known.half:+.3f}"
