"""Networks beside each other compute what each of them computes, recurrent ones too; streams are a CUDA device's."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import nn

from schwarz.config import Training
from schwarz.networks import vgg9
from schwarz.training.beside import beside
from schwarz.training.engine import Engine
from schwarz.training.stacking import Unstackable
from tests.unit.training.test_stacking import CLASSES, MEMBERS, RECURRENT, check_steps, members


@pytest.mark.parametrize("name", ["vgg9", "resnet20", "resnet50-keras", "lenet5", "mlp", "cnn1d", *RECURRENT])
def test_five_steps_beside_each_other_are_five_steps_of_each_member(name: str):
    check_steps(name, Engine(members(name, torch.float64), Training(weight_decay=0.01), streams=True))


def test_adam_steps_on_as_many_tensors_as_one_member_has():
    networks = [vgg9((3, 16, 16), CLASSES, width=4) for _ in range(MEMBERS)]
    assert len(Engine(networks, Training(), streams=True).adam.parameters) == len(list(networks[0].parameters()))


class Remembering(nn.Linear):
    def __init__(self) -> None:
        super().__init__(4, 4)
        self.register_buffer("seen", torch.zeros(4), persistent=False)


def tied() -> nn.Module:
    pair = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    pair[1].weight = pair[0].weight
    return pair


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (tied, "weights that two layers share"),
        (Remembering, "buffers that are no part of its state"),
        (lambda: nn.Sequential(OrderedDict(members=nn.Linear(4, 4))), "a layer called 'members'"),
    ],
)
def test_what_has_no_place_beside_others_is_named(network: Callable[[], nn.Module], why: str):
    with pytest.raises(Unstackable, match=why):
        beside([network(), network()])


def test_networks_of_other_shapes_are_not_put_beside_each_other():
    with pytest.raises(Unstackable, match="other shapes"):
        beside([vgg9((3, 16, 16), CLASSES, width=4), vgg9((3, 16, 16), CLASSES, width=5)])
