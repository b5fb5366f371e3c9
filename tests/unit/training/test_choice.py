"""Which members are trained in step."""

import json
import os
from pathlib import Path

from torch import nn

from schwarz.config import Local
from schwarz.networks import vgg9
from schwarz.training import fleets
from schwarz.training.choice import beside
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


def test_auto_stacks_many_narrow_networks() -> None:
    """Eight of them in step take a third of what they take alone."""
    assert fleets(fleet(8), Local(batch=8)) == [list(range(8))]


def test_what_a_machine_found_once_it_does_again() -> None:
    """Or else a run that is repeated might round otherwise."""
    members, local = fleet(8), Local(batch=8)
    fleets(members, local)
    (kept,) = (Path(os.environ["XDG_CACHE_HOME"]) / "schwarz" / "steps").iterdir()
    found = json.loads(kept.read_text())
    assert found["stacked"] < found["alone"]
    kept.write_text(json.dumps({"stacked": found["alone"], "alone": found["stacked"]}))
    assert fleets(members, local) == [[k] for k in range(8)]
    assert fleets(members, local.model_copy(update={"batch": 9})) == [list(range(8))]  # of another step it says nothing


def test_a_choice_beside_checkpoints_is_kept(tmp_path: Path) -> None:
    fleets(fleet(2), Local(engine="stacked"), tmp_path)
    assert json.loads((tmp_path / "fleets.json").read_text()) == [[0, 1]]
    (tmp_path / "fleets.json").write_text("[[1], [0]]")
    assert fleets(fleet(2), Local(engine="stacked"), tmp_path) == [[1], [0]]


def test_on_a_processor_nothing_is_computed_beside_each_other() -> None:
    assert not beside(fleet(8), Local(batch=8))
