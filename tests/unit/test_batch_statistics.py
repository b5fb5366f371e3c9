"""Statistics of BatchNorm on whole images are those of the images, to the digit, and nothing else changes."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from schwarz.batch_statistics import recompute_statistics
from tests.models import Network, look_trained


@pytest.fixture
def x() -> Tensor:
    return torch.randn(7, 3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1


def network() -> nn.Sequential:
    """Two normalised convolutions with dropout between them, as if it had been trained on something else."""
    torch.manual_seed(1)
    norms = nn.BatchNorm2d(4, momentum=0.3), nn.BatchNorm2d(2, momentum=None)
    look_trained(*norms)
    for norm in norms:
        norm.num_batches_tracked = torch.tensor(17)
    layers = (nn.Conv2d(3, 4, 3), norms[0], nn.ReLU(), nn.Dropout(0.9), nn.Conv2d(4, 2, 3), norms[1], nn.Flatten())
    return nn.Sequential(*layers).double()


def test_each_layer_gets_the_mean_and_variance_of_what_reaches_it(x: Tensor):
    module = network()
    recompute_statistics(module, x)
    first, second = module[1], module[5]
    assert isinstance(first, nn.BatchNorm2d)
    assert isinstance(second, nn.BatchNorm2d)
    with torch.no_grad():
        maps = module[0](x)
        mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3))
        torch.testing.assert_close(first.running_mean, mean, rtol=1e-12, atol=0)
        torch.testing.assert_close(first.running_var, variance, rtol=1e-12, atol=0)
        place = (1, -1, 1, 1)
        biased = maps.var((0, 2, 3), correction=0)  # what a batch is normalised by
        normalised = (maps - mean.reshape(place)) / (biased.reshape(place) + first.eps).sqrt()
        maps = module[4]((normalised * first.weight.reshape(place) + first.bias.reshape(place)).relu())
        torch.testing.assert_close(second.running_mean, maps.mean((0, 2, 3)), rtol=1e-12, atol=0)
        torch.testing.assert_close(second.running_var, maps.var((0, 2, 3)), rtol=1e-12, atol=0)


def test_a_layer_used_twice_gets_the_mean_over_its_uses(x: Tensor):
    module: Any = Network(lambda net, x: net.norm(x) + net.norm(4 * x + 1), norm=nn.BatchNorm2d(3)).double()
    recompute_statistics(module, x)
    both = torch.stack([x, 4 * x + 1])
    torch.testing.assert_close(module.norm.running_mean, both.mean((1, 3, 4)).mean(0))
    torch.testing.assert_close(module.norm.running_var, both.var((1, 3, 4)).mean(0))


def test_all_else_stays_as_it_was(x: Tensor):
    module = network()
    module[0].train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    assert recompute_statistics(module, x) is module
    after = module.state_dict()
    assert {name for name in after if not torch.equal(after[name], before[name])} == {
        f"{layer}.running_{value}" for layer in (1, 5) for value in ("mean", "var")
    }
    assert [part.training for part in module.modules()] == modes
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    assert [norm.momentum for norm in norms] == [0.3, None]
    assert all(parameter.grad is None for parameter in module.parameters())


def test_the_same_images_give_the_same_bytes_whatever_was_there(x: Tensor):
    one, other = network(), network()
    for norm in (other[1], other[5]):
        norm.get_buffer("running_mean").fill_(1e6)
    for module in (one, other):
        recompute_statistics(module, x)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize(
    "module",
    [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(3, track_running_stats=False), nn.InstanceNorm2d(3, track_running_stats=True)],
)
def test_a_module_without_statistics_of_batchnorm_is_left_alone(module: nn.Module):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    recompute_statistics(module, torch.randn(2, 3, 6, 6))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
