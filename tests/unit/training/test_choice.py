"""Which members are trained in step."""

from pathlib import Path

import pytest
from torch import nn

from schwarz.config import Local
from schwarz.networks import vgg9
from schwarz.training import fleets
from tests.unit.training.examples import CLASSES, SHAPE, fleet


def test_a_loop_trains_each_by_itself() -> None:
    assert fleets(fleet(3), Local(engine="loop")) == [[0], [1], [2]]


def test_members_of_one_shape_are_stacked() -> None:
    members = fleet(3)
    members[1].model = vgg9(SHAPE, CLASSES, width=5).double()
    assert fleets(members, Local(engine="stacked")) == [[0, 2], [1]]


def test_members_with_boxes_of_other_sizes_are_not() -> None:
    def pooled() -> nn.Module:
        return vgg9(SHAPE, CLASSES, width=4, head="pool")

    members = [*fleet(2, pooled), *fleet(2, pooled, (3, 16, 20))]
    assert fleets(members, Local(engine="stacked")) == [[0, 1], [2, 3]]


def test_what_cannot_be_stacked_is_trained_by_itself() -> None:
    def odd() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.Flatten(), nn.Linear(6 * 14 * 14, CLASSES))

    assert fleets(fleet(2, odd), Local(engine="stacked")) == [[0], [1]]


@pytest.mark.parametrize("width", [4, 64])
def test_a_choice_is_made_once(tmp_path: Path, width: int) -> None:
    members = fleet(2, lambda: vgg9(SHAPE, CLASSES, width=width))
    chosen = fleets(members, Local(batch=8), tmp_path)
    assert chosen in ([[0, 1]], [[0], [1]])
    (tmp_path / "fleets.json").write_text("[[1], [0]]")
    assert fleets(members, Local(batch=8), tmp_path) == [[1], [0]]
