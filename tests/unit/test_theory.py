"""What `verify` says, and that nothing escapes it: a changed weight, a NaN, a second output."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from schwarz import Case, Partition, compose, decompose, verify
from schwarz.config import Network
from schwarz.networks import build
from tests import models
from tests.models import row_network

PART = Partition.grid((12,), (2,))


def composed(module: nn.Module, task: str = "classification", shape: tuple[int, ...] = (1, 12)):
    """The module, composed, its local networks, and images."""
    torch.manual_seed(0)
    module = module.double()
    locals_ = decompose(module, PART, shape, task)
    compose(module, locals_, PART, task=task)
    return module, locals_, PART, torch.randn(5, *shape, dtype=torch.float64)


def network(outputs: int = 3, padding: int = 0) -> nn.Sequential:
    return row_network(12, outputs, padding)


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv1d(1, 4, 3)
        self.first, self.second, self.unused = nn.Linear(40, 3), nn.Linear(40, 2), nn.Linear(40, 7)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x).flatten(1)
        self.unused(x)
        return self.first(x), self.second(x)


def test_an_exact_composition_is_exact_and_holds():
    verdict = verify(*composed(network()), torch.tensor([0, 1, 2, 0, 1]))
    assert verdict.case is Case.EXACT
    assert verdict.exact
    assert verdict.holds
    assert verdict.logit_gap < 1e-14
    assert verdict.softmax_gap is not None
    assert verdict.softmax_gap < 1e-14
    assert verdict.field_gap == 0
    assert verdict.responds == 1
    assert verdict.causes == ()
    assert [layer.name for layer in verdict.layers] == ["0", "1", "2", "3"]
    assert verdict.layers[0].fields == (((0, 4),), ((6, 10),))
    assert all(layer.gap is not None and layer.gap < 1e-14 for layer in verdict.layers)


@pytest.mark.parametrize("layer", ["0", "1", "4"])
def test_a_module_that_is_not_the_composed_one_is_noticed(layer):
    module, locals_, part, x = composed(network())
    with torch.no_grad():
        module.get_parameter(f"{layer}.weight").add_(0.1)
    verdict = verify(module, locals_, part, x)
    assert not verdict.exact
    assert not verdict.holds


def test_with_padding_features_are_held_to_the_field_and_the_output_is_not():
    module, locals_, part, x = composed(network(padding=1))
    verdict = verify(module, locals_, part, x)
    assert verdict.case is Case.FIELD
    assert verdict.holds
    assert verdict.logit_gap > 1e-3
    assert verdict.layers[0].fields == (((0, 5),), ((7, 12),))
    with torch.no_grad():
        module.get_parameter("0.weight").mul_(1.1)
    assert not verify(module, locals_, part, x).holds


@pytest.mark.parametrize("padding", [0, 1])
def test_no_verdict_holds_for_numbers_that_are_none(padding):
    module, locals_, part, x = composed(network(padding=padding))
    with torch.no_grad():
        module.get_parameter("0.weight").view(-1)[0] = torch.nan
    assert not verify(module, locals_, part, x).holds


def test_a_field_that_pixels_outside_change_is_no_field():
    verdict = verify(*composed(network()))
    assert not replace(verdict, field_gap=1.0).holds


def test_every_output_is_held_to_the_sum_and_one_that_is_not_returned_is_none():
    module, locals_, part, x = composed(Heads())
    verdict = verify(module, locals_, part, x, torch.zeros(5, dtype=torch.long))
    assert verdict.exact
    assert verdict.bounds is None  # Theorem 2.2 speaks of one output
    with torch.no_grad():
        module.get_parameter("unused.weight").zero_()
        assert verify(module, locals_, part, x).exact
        module.get_parameter("first.weight").zero_()
        assert not verify(module, locals_, part, x).exact


def test_large_terms_that_cancel_leave_their_rounding():
    module, locals_, part, x = composed(network())
    with torch.no_grad():
        for k, local in enumerate(locals_):
            local.get_parameter("4.bias").add_(3e4 * (-1) ** k)
    for each in (module, *locals_):
        each.float()
    compose(module, locals_, part)
    assert verify(module, locals_, part, x.float()).exact


def test_outputs_of_which_the_theorem_does_not_speak_have_no_bound():
    labels = torch.zeros(5, dtype=torch.long)
    assert verify(*composed(network(1)), labels).bounds is None
    per_step = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    module, locals_, part, x = composed(per_step, shape=(7, 12))
    assert verify(module, locals_, part, x, labels).bounds is None


def test_modes_are_put_back_and_weights_left_alone():
    module, locals_, part, x = composed(network())
    module.train()
    norm = module.get_submodule("1").eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    verify(module, locals_, part, x)
    assert module.training
    assert not norm.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_verdict_is_json_and_one_screen():
    network_ = build(Network(family="vgg9", width=4, dense=8), (1, 32, 32), 4)
    part = Partition.grid((32, 32), (2, 2))
    locals_ = decompose(network_, part, (1, 32, 32))
    verdict = verify(compose(network_, locals_, part), locals_, part, torch.randn(4, 1, 32, 32), torch.arange(4))
    text = str(verdict)
    assert len(text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 120
    assert "layer 'features.0' pads at the cuts, where the global network has pixels (and 8 more)" in text
    assert "(2.19): cost r and its bound" in text
    values = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert values["case"] == "field"
    assert values["exact"] is False
    assert values["holds"] is True
    assert values["causes"][0]["layer"] == "features.0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x[:0], None), "at least one image"),
        (lambda x: (x, torch.zeros(3, dtype=torch.long)), "3 labels for 5 images"),
        (lambda x: (x, torch.zeros(5)), "the number of the class of each image, y is torch.float32"),
        (lambda x: (x, torch.full((5,), 9)), "labels go from 9 to 9, the network has classes 0 to 2"),
        (lambda x: (x.float(), None), r"x is torch.float32 on cpu, the module torch.float64 on cpu"),
        (lambda x: (x[..., :9], None), r"does not end in the partition's \(12,\)"),
    ],
)  # fmt: skip
def test_images_and_labels_that_do_not_fit_are_refused(change, message):
    module, locals_, part, images = composed(network())
    x, y = change(images)
    with pytest.raises(ValueError, match=message):
        verify(module, locals_, part, x, y)


def features(network: Any, x: Tensor) -> Tensor:
    """What the head reads; what the head says is lost."""
    found = network.body(x)
    network.head(found)
    return found


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Flatten()), (3, 8)),
        (lambda: models.Network(features, body=nn.Linear(8, 4), head=nn.Linear(4, 3)), (8,)),
    ],
)  # fmt: skip
def test_a_network_without_an_output_has_nothing_to_compare(make: Callable[[], nn.Module], shape: tuple[int, ...]):
    network, part = make(), Partition.grid((8,), (2,))
    locals_ = decompose(network, part, shape)
    with pytest.raises(ValueError, match="there is no output to compare"):
        verify(network, locals_, part, torch.randn(4, *shape))


def test_a_network_of_two_reconstructions_has_no_bound():
    network = models.Network(lambda n, x: torch.cat([n.one(x), n.two(x)], 1), one=nn.Linear(8, 8), two=nn.Linear(8, 8))
    part = Partition.grid((8,), (2,))
    locals_ = decompose(network, part, (8,), "autoencoder")
    compose(network, locals_, part, task="autoencoder")
    assert verify(network, locals_, part, torch.randn(4, 8), task="autoencoder").bounds is None
