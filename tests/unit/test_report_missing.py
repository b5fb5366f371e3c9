"""Which box is dearest, and which strategy stands its loss best."""

from schwarz.report.missing import dearest, steadiest


def rows(*means: float) -> list[dict[str, float]]:
    return [{"mean": mean, "worst": mean, "best": mean} for mean in means]


MISSING = {
    "images": 500,
    "subsets": [4, 6, 4],
    "strategies": {"average": rows(0.8, 0.7, 0.6, 0.3), "global": rows(0.9, 0.8, 0.5, 0.4)},
    "without": {"average": [0.75, 0.6, 0.7, 0.79], "global": [0.9, 0.9, 0.7, 0.9]},
}


def test_the_dearest_box_is_the_one_without_which_least_is_right() -> None:
    found = dearest(MISSING, "average")
    assert found is not None
    assert (found[0], round(found[1], 6)) == (1, 0.2)


def test_the_steadiest_strategy_is_best_with_half_of_the_boxes() -> None:
    """With all of them, with one or three missing it is another."""
    assert steadiest(MISSING) == "average"
