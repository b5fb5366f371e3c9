"""`networks` lists every family with what its modules really have."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from schwarz.cli.entry import status
from schwarz.families import FAMILIES


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """What the command prints as JSON, once for all: it builds every network."""
    with redirect_stdout(StringIO()) as out:
        assert status(["networks", "--json"]) == 0
    return json.loads(out.getvalue())


def test_every_family_is_there_with_its_costs(rows: list[dict[str, Any]]) -> None:
    assert [row["family"] for row in rows] == list(FAMILIES)
    costs = {row["family"]: (row["parameters"], row["keras_parameters"], row["flops"]) for row in rows}
    assert costs["vgg16"] == (138_357_544, 138_357_544, 30_926_971_928)
    assert costs["resnet110"][:2] == (27_594_762, 27_627_146)
    assert all(parameters and flops for parameters, _, flops in costs.values())


def test_what_can_be_chosen_is_told(rows: list[dict[str, Any]]) -> None:
    own = {row["family"]: row["own"] for row in rows}
    assert own["resnet50-keras"] == {"width": 64, "dense": 1024, "padding": "same", "head": "pool"}
    assert own["mlp"] == {"dense": 256}


def test_the_table_fits_a_screen_and_marks_what_is_not_for_images(schwarz: Callable[..., Any]) -> None:
    told = schwarz("networks")
    lines = told.out.splitlines()
    assert (told.status, told.err) == (0, "")
    assert max(map(len, lines)) <= 120
    marked = [line.split()[0] for line in lines if " * " in line[:20]]
    assert marked == [name for name, family in FAMILIES.items() if not family.takes_images]
    assert "lenet5 5 2 convolutions, 2 hidden layers 1x32x32 10 61,706 0.8" in map(" ".join, map(str.split, lines))
