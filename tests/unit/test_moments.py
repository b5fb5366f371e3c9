"""Adam's moments of local networks, composed by the index maps of their weights."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from schwarz import Partition, compose, compose_moments, decompose
from schwarz.networks.dense import autoencoder
from schwarz.partition import Box
from tests.models import row_network

PART = Partition.grid((8,), (2,))


def network(outputs: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return row_network(8, outputs)


def trained(module: nn.Module, task: str = "classification", steps: int = 5):
    """Local networks of `module` after some steps of Adam, and their optimizers."""
    locals_ = decompose(module, PART, (1, 8), task)
    optimizers = [torch.optim.Adam(local.parameters(), lr=1e-3, amsgrad=True) for local in locals_]
    x = torch.randn(16, 1, 8)
    for local, box, optimizer in zip(locals_, PART.split(x), optimizers, strict=True):
        for _ in range(steps):
            optimizer.zero_grad()
            local(box).square().mean().backward()
            optimizer.step()
    return locals_, optimizers


def composed(module: nn.Module, task: str = "classification"):
    locals_, optimizers = trained(module, task)
    compose(module, locals_, PART, task=task)
    optimizer = torch.optim.Adam(module.parameters(), amsgrad=True)
    compose_moments(optimizer, optimizers, module, locals_, PART, task=task)
    return optimizer, locals_, optimizers


def moment(optimizer: torch.optim.Optimizer, module: nn.Module, layer: str, name: str = "exp_avg") -> Tensor:
    return optimizer.state[module.get_parameter(f"{layer}.weight")][name]


def test_each_moment_stands_where_its_weight_stands():
    module = network()
    optimizer, locals_, optimizers = composed(module)
    for k in range(2):
        mine = slice(2 * k, 2 * k + 2)
        for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
            first = moment(optimizers[k], locals_[k], "0", name)
            assert torch.equal(moment(optimizer, module, "0", name)[mine], first)
            norm = moment(optimizers[k], locals_[k], "1", name)
            assert torch.equal(moment(optimizer, module, "1", name)[mine], norm)
    bias = [
        each.state[local.get_parameter("4.bias")]["exp_avg"] for each, local in zip(optimizers, locals_, strict=True)
    ]
    torch.testing.assert_close(optimizer.state[module.get_parameter("4.bias")]["exp_avg"], sum(bias) / 2)
    assert all(int(state["step"]) == 5 for state in optimizer.state.values())


def test_after_other_numbers_of_steps_each_moment_is_corrected_as_its_own_network_would():
    module, betas = network(), {"exp_avg": 0.9, "exp_avg_sq": 0.999}
    locals_, optimizers = zip(*(pair for n in (2, 9) for pair in [[each[n == 9] for each in trained(module, steps=n)]]),
                              strict=True)  # fmt: skip
    optimizer = torch.optim.Adam(module.parameters())
    compose_moments(optimizer, optimizers, module, locals_, PART)
    assert int(optimizer.state[module.get_parameter("0.weight")]["step"]) == 9
    for k, steps in enumerate((2, 9)):
        for name, beta in betas.items():
            whole = moment(optimizer, module, "0", name)[2 * k : 2 * k + 2] / (1 - beta**9)
            torch.testing.assert_close(whole, moment(optimizers[k], locals_[k], "0", name) / (1 - beta**steps))


def test_weights_between_networks_begin_without_direction_and_with_the_usual_scale():
    module = network()
    optimizer, _, _ = composed(module)
    between = module.get_parameter("4.weight") == 0
    assert between.any()
    assert moment(optimizer, module, "4")[between].eq(0).all()
    squares = moment(optimizer, module, "4", "exp_avg_sq")
    torch.testing.assert_close(squares[between], squares[~between].mean().expand(int(between.sum())))


def test_the_first_steps_of_fine_tuning_are_no_longer_than_those_of_a_cold_optimizer():
    module = network()
    optimizer, _, _ = composed(module)
    before = module.get_parameter("4.weight").detach().clone()
    module(torch.randn(16, 1, 8)).square().mean().backward()
    optimizer.step()
    assert (module.get_parameter("4.weight") - before).abs().max() <= 2e-3  # a cold Adam moves each by 1e-3


def test_regression_damps_the_moments_of_layers_whose_gradient_the_mean_divides():
    module = network(1)
    optimizer, locals_, optimizers = composed(module, "regression")
    first = moment(optimizers[0], locals_[0], "0")
    torch.testing.assert_close(moment(optimizer, module, "0")[:2], first / 2)
    squares = moment(optimizers[0], locals_[0], "0", "exp_avg_sq")
    torch.testing.assert_close(moment(optimizer, module, "0", "exp_avg_sq")[:2], squares / 4)
    local = moment(optimizers[0], locals_[0], "4").reshape(2, 2)
    torch.testing.assert_close(moment(optimizer, module, "4").reshape(4, 6)[:2, :2], local)


def autoencoders(part: Partition, dtype: torch.dtype) -> tuple[nn.Module, Any, Any, Any, Tensor]:
    """A global network composed of local ones after one step of each, with the optimizers of both, and the inputs."""
    torch.manual_seed(0)
    module, x = autoencoder((8,), dense=8, code=4).to(dtype), torch.randn(16, 8, dtype=dtype)
    locals_ = [local.to(dtype) for local in decompose(module, part, (8,), "autoencoder")]
    optimizers = [torch.optim.Adam(local.parameters(), lr=0.0) for local in locals_]
    for local, box, optimizer in zip(locals_, part.split(x), optimizers, strict=True):
        mse_loss(local(box), box).backward()
        optimizer.step()
    compose(module, locals_, part, task="autoencoder")
    optimizer = torch.optim.Adam(module.parameters())
    compose_moments(optimizer, optimizers, module, locals_, part, task="autoencoder")
    return module, optimizer, locals_, optimizers, x


@pytest.mark.parametrize("edges", [(4,), (3,), (2, 4, 6)])
def test_of_an_autoencoder_they_are_the_mean_gradient_of_all_outputs(edges: tuple[int, ...]):
    """On a complete partition, of boxes of one size or of several: to the digit."""
    stops = [*edges, 8]
    part = Partition((8,), tuple(Box(((start, stop),)) for start, stop in zip([0, *edges], stops, strict=True)))
    module, optimizer, *_, x = autoencoders(part, torch.float64)
    mse_loss(module(x), x).backward()
    for parameter in module.parameters():
        held = parameter != 0
        assert parameter.grad is not None
        gradient, state = parameter.grad[held], optimizer.state[parameter]
        torch.testing.assert_close(state["exp_avg"][held], 0.1 * gradient, rtol=1e-10, atol=1e-15)
        torch.testing.assert_close(state["exp_avg_sq"][held], 1e-3 * gradient**2, rtol=1e-10, atol=1e-15)


def test_of_outputs_that_several_boxes_have_hidden_layers_get_their_share():
    part = Partition.grid((8,), (2,), overlap=2)  # 6 of the 8 outputs each, 4 of these twice
    module, optimizer, locals_, optimizers, _ = autoencoders(part, torch.float32)
    name = next(iter(dict(module.named_parameters()))).removesuffix(".weight")
    first = moment(optimizers[0], locals_[0], name)
    torch.testing.assert_close(moment(optimizer, module, name)[:4, :6], first * 4 / 8)
    last = moment(optimizers[0], locals_[0], "output")
    torch.testing.assert_close(moment(optimizer, module, "output")[:2, :4], last[:2] * 6 / 8)


def test_frozen_layers_have_no_moments():
    module = network()
    module.get_parameter("0.weight").requires_grad_(False)
    optimizer, _, _ = composed(module)
    assert module.get_parameter("0.weight") not in optimizer.state


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.NAdam, torch.optim.Adam])
def test_local_optimizers_without_moments_are_refused_and_nothing_is_changed(kind):
    module = network()
    locals_, optimizers = trained(module)
    fresh = kind(locals_[1].parameters(), lr=0.1, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    if kind is not torch.optim.Adam:
        locals_[1](torch.randn(4, 1, 4)).sum().backward()
        fresh.step()
    optimizer = torch.optim.Adam(module.parameters())
    with pytest.raises(ValueError, match=r"0.weight has no moments of Adam in every local optimizer"):
        compose_moments(optimizer, [optimizers[0], fresh], module, locals_, PART)
    assert not optimizer.state


def test_optimizers_of_other_networks_are_refused():
    module = network()
    locals_, _ = trained(module)
    strangers = [torch.optim.Adam(copy.deepcopy(local).parameters()) for local in locals_]
    with pytest.raises(ValueError, match="none has made a step on these local networks"):
        compose_moments(torch.optim.Adam(module.parameters()), strangers, module, locals_, PART)
