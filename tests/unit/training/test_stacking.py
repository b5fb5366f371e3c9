"""Networks stacked as one compute what each of them computes, for every family; what cannot be stacked is named."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from schwarz.config import Training
from schwarz.families import FAMILIES
from schwarz.networks import BUILDERS, initialise, vgg9
from schwarz.training.engine import Engine
from schwarz.training.stacking import Unstackable, stacked
from tests.models import Network

MEMBERS, BATCH, CLASSES = 3, 8, 5
RECURRENT = ("recurrent", "rnn", "lstm", "gru")


def inputs_of(name: str) -> tuple[int, ...]:
    """The smallest images of a family, or its own inputs."""
    if not FAMILIES[name].takes_images:
        return FAMILIES[name].input_shape
    return (3, 32, 32)


def members(name: str, dtype: torch.dtype) -> list[nn.Module]:
    """Networks of a family, narrow, with weights of their own."""
    chosen = {"width": 8, "dense": 16}
    options = {key: value for key, value in chosen.items() if key in FAMILIES[name].own}
    networks = [BUILDERS[name](inputs_of(name), CLASSES, **options) for _ in range(MEMBERS)]
    for k, network in enumerate(networks):
        initialise(network, k)
    return [network.to(dtype) for network in networks]


STACKABLE = [name for name in BUILDERS if name not in RECURRENT and name != "autoencoder"]


@pytest.mark.parametrize("name", STACKABLE)
def test_five_steps_of_a_stack_are_five_steps_of_each_member(name: str) -> None:
    check_steps(name, Engine(members(name, torch.float64), Training(weight_decay=0.01)))


def check_steps(name: str, together: Engine) -> None:
    """Five steps in float64, with a rate for each member that changes from step to step. Biases that BatchNorm cancels
    have no gradient but its rounding, of which Adam makes a share of the rate: they are left out,
    and so are the means that BatchNorm remembers of them."""
    alone = [Engine([member], Training(weight_decay=0.01)) for member in members(name, torch.float64)]
    torch.manual_seed(0)
    for step in range(5):
        x = [torch.randn(BATCH, *inputs_of(name), dtype=torch.float64) for _ in range(MEMBERS)]
        y = [torch.randint(CLASSES, (BATCH,)) for _ in range(MEMBERS)]
        rates = [1e-4 * (1 + k) / (1 + step) for k in range(MEMBERS)]
        losses, correct = together.step(x, y, rates)
        for k, engine in enumerate(alone):
            loss, right = engine.step([x[k]], [y[k]], [rates[k]])
            torch.testing.assert_close(losses[k : k + 1], loss, rtol=0, atol=1e-10)
            assert correct[k] == right[0]
    for k, engine in enumerate(alone):
        mine, theirs = together.state(k), engine.state(0)
        assert mine.keys() == theirs.keys()
        for key in engine.trained:
            matters = theirs[f"{key}.second"].sqrt() > 1e-8
            torch.testing.assert_close(mine[key][matters], theirs[key][matters], rtol=0, atol=1e-10)
        for key in (key for key in theirs if key.endswith(("running_var", "num_batches_tracked"))):
            torch.testing.assert_close(mine[key], theirs[key], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", STACKABLE)
def test_the_first_float32_step_differs_by_rounding(name: str) -> None:
    together = Engine(members(name, torch.float32), Training())
    alone = [Engine([member], Training()) for member in members(name, torch.float32)]
    torch.manual_seed(0)
    x = [torch.randn(BATCH, *inputs_of(name)) for _ in range(MEMBERS)]
    y = [torch.randint(CLASSES, (BATCH,)) for _ in range(MEMBERS)]
    losses, _ = together.step(x, y, [1e-3] * MEMBERS)
    for k, engine in enumerate(alone):
        loss, _ = engine.step([x[k]], [y[k]], [1e-3])
        torch.testing.assert_close(losses[k : k + 1], loss, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_networks_are_not_stacked(name: str) -> None:
    with pytest.raises(Unstackable, match="the layer"):
        stacked(members(name, torch.float32))


def flip(n: Any, x: Tensor) -> Tensor:
    return n.head(n.conv(x).flip(1).flatten(1))


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (lambda: Network(flip, conv=nn.Conv2d(3, 4, 3), head=nn.Linear(4, 2)), "the operation 'flip'"),
        (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3)), "a grouped or circular convolution"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(12)), "the layer '1', a LayerNorm"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax(1)), "the layer '1', a Softmax"),
    ],
)
def test_what_mixes_channels_is_named(network: Any, why: str) -> None:
    with pytest.raises(Unstackable, match=why):
        stacked([network(), network()])


def test_networks_of_other_shapes_are_not_stacked() -> None:
    with pytest.raises(Unstackable, match="other shapes"):
        stacked([vgg9((3, 16, 16), 5, width=4), vgg9((3, 16, 16), 5, width=5)])


def test_an_image_is_not_overwritten() -> None:
    networks: list[nn.Module] = [nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)) for _ in range(2)]
    x = torch.randn(4, 6, 2, 2)
    before = x.clone()
    stacked(networks)(x)
    assert torch.equal(x, before)


def test_what_a_branch_still_reads_is_not_overwritten() -> None:
    def forward(n: Any, x: Tensor) -> Tensor:
        y = n.conv(x)
        return n.head(n.flatten(n.relu(y) + y))

    def network() -> nn.Module:
        return Network(forward, conv=nn.Conv2d(3, 4, 3), relu=nn.ReLU(), flatten=nn.Flatten(), head=nn.Linear(16, 2))

    pair, x = [network(), network()], torch.randn(5, 6, 4, 4)
    scores = stacked(pair)(x)
    for k, each in enumerate(pair):
        torch.testing.assert_close(scores[k], each(x[:, 3 * k : 3 * k + 3]))
