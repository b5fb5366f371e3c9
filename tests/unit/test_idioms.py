"""What users write and what is exact: called so, and measured by the modules' own forward."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from tests.models import Network
from tests.unit.hostile import CODE, COLUMNS, MEAN, OVERLAP, ROW, SERIES, Trial, at_end, coder, composed, on_maps


class Flags(nn.Module):
    """A network with options that have defaults."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8 * 196, 3)

    def forward(self, x: Tensor, features: bool = False, mask: Tensor | None = None) -> Tensor:
        y = self.conv(x).flatten(1)
        if mask is not None:
            y = y * mask
        return y if features else self.head(y)


class Auxiliary(nn.Module):
    """Inception's: a second output, in train mode alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head, self.aside = nn.Conv2d(3, 8, 3), nn.Linear(8 * 196, 3), nn.Linear(8 * 196, 3)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x).flatten(1)
        return (self.head(y), self.aside(y)) if self.training else self.head(y)


class InPlace(nn.Module):
    """Changes its input, a map and its output where they are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head, self.relu = nn.Conv2d(3, 8, 3), nn.Linear(8 * 196, 3), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.5)
        x *= 2
        y = self.conv(x)
        self.relu(y)
        z = self.head(y.flatten(1))
        z *= 3
        return z


class Derived(nn.Conv2d):
    """torch's layer under another name."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, bias=False)


RIGHT: dict[str, Trial] = {
    "options with defaults": Trial(Flags),
    "outputs of the train mode": Trial(Auxiliary),
    "operations in place": Trial(InPlace),
    "a layer derived from torch's": Trial(lambda: nn.Sequential(Derived(3, 8), nn.Flatten(), nn.Linear(8 * 196, 3))),
    "dropout as a function": Trial(lambda: on_maps(lambda net, y: F.dropout(y, 0.5, net.training))),
    "a constant in the code": Trial(
        lambda: Network(lambda net, x: net.head(net.conv(x - torch.tensor([1.0, 2, 3])[:, None, None]).flatten(1)),
                        conv=nn.Conv2d(3, 8, 3), head=nn.Linear(8 * 196, 3))),
    "the mean of the image's channels": Trial(
        lambda: Network(lambda net, x: net.head(net.conv(x - x.mean(dim=1, keepdim=True)).flatten(1)),
                        conv=nn.Conv2d(3, 8, 3), head=nn.Linear(8 * 196, 3))),
    "the mean over an axis that is not cut": Trial(lambda: on_maps(lambda _, y: y.mean(2), 8 * 14), COLUMNS),
    "softmax over an axis that is not cut": Trial(lambda: on_maps(lambda _, y: y.softmax(2)), COLUMNS),
    "circular padding of an axis that is not cut": Trial(
        lambda: nn.Sequential(nn.Conv2d(3, 8, (3, 1), padding=(1, 0), padding_mode="circular"), nn.Flatten(),
                              nn.Linear(8 * 256, 3)), COLUMNS),
    "one position of an axis that is not cut": Trial(lambda: on_maps(lambda _, y: y[:, :, 5], 8 * 14), COLUMNS),
    "every second position from even starts": Trial(lambda: on_maps(lambda _, y: y[:, :, 1::2, 1::2], 8 * 49)),
    "padded and cropped again": Trial(lambda: on_maps(lambda _, y: F.pad(F.pad(y, (1, 1, 1, 1)), (-1, -1, -1, -1)))),
    "pixels as rows of a batch": Trial(
        lambda: on_maps(lambda net, y: net.mix(y.permute(0, 2, 3, 1).reshape(-1, y.size(1))).reshape(y.size(0), -1),
                        mix=nn.Linear(8, 8))),
    "a convolution of size 1 on flattened places": Trial(
        lambda: on_maps(lambda net, y: net.mix(y.flatten(2)), mix=nn.Conv1d(8, 8, 1))),
    "a mixer: dense over places, then over channels": Trial(
        lambda: Network(lambda net, x: net.head(net.mix(net.over(net.conv(x)).relu()).flatten(1)),
                        conv=nn.Conv1d(6, 8, 3), over=nn.Linear(14, 10), mix=nn.Conv1d(8, 8, 1),
                        head=nn.Linear(80, 3)), ROW, SERIES),
    "depthwise over features side by side": Trial(
        lambda: Network(lambda net, x: net.head(net.conv(x.transpose(1, 2)).flatten(1)),
                        conv=nn.Conv1d(16, 16, 3, groups=16), head=nn.Linear(64, 3)), ROW, SERIES),
    "a gate of all pixels of the box": Trial(
        lambda: on_maps(lambda net, y: y * net.gate(y.flatten(1)).sigmoid()[:, :, None, None],
                        gate=nn.Linear(8 * 196, 8))),
    "sums, differences and multiples of outputs": Trial(lambda: at_end(lambda n, y: 2 * n.one(y) - n.two(y) / 3)),
    "a product by a keyword": Trial(lambda: at_end(lambda n, y: torch.mul(n.one(y), other=2))),
    "a multiple by a size that all have": Trial(lambda: at_end(lambda n, y: n.one(y) * n.one(y).shape[1])),
    "the sum of a list of outputs": Trial(lambda: at_end(lambda n, y: sum([n.one(y), n.two(y)]))),
    "the mean over one axis that is not cut, by a layer": Trial(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d((1, None)), nn.Flatten(), nn.Linear(8 * 14, 3)),
        COLUMNS),
    "enlarged to sizes by name": Trial(
        lambda: on_maps(lambda _, y: F.interpolate(y, size=(y.shape[2] * 2, y.shape[3] * 2)), 4 * 8 * 196)),
    "the last position of an axis that is not cut": Trial(
        lambda: on_maps(lambda _, y: y[:, :, y.shape[2] - 1], 8 * 14), COLUMNS),
    "words of torch's own": Trial(
        lambda: on_maps(lambda _, y: torch.cat(tensors=[torch.permute(y, dims=(0, 1, 3, 2))] * 2, dim=1).reshape(
            shape=(y.shape[0], -1)), 2 * 8 * 196)),
    "outputs joined": Trial(lambda: at_end(lambda n, y: torch.cat([n.one(y), n.two(y)], 1))),
    "the mean of outputs": Trial(lambda: at_end(lambda n, y: n.one(y).mean(1, keepdim=True))),
    "outputs at every step, then the last": Trial(
        lambda: Network(lambda net, x: net.head(net.states(x)[0])[:, -1], states=nn.GRU(16, 8, batch_first=True),
                        head=nn.Linear(8, 3)), OVERLAP, SERIES),
    "predictions with a number added": Trial(lambda: at_end(lambda n, y: 1 - n.one(y)), task=MEAN),
    "a complete reconstruction behind a sigmoid": Trial(lambda: coder(torch.sigmoid), ROW, (16,), task=CODE),
    "an overlapping reconstruction, doubled": Trial(lambda: coder(lambda y: 2 * y), OVERLAP, (16,), task=CODE),
}  # fmt: skip


@pytest.mark.parametrize("trial", RIGHT.values(), ids=RIGHT)
def test_what_is_exact_is_called_so(trial: Trial):
    outcome = composed(trial)
    assert outcome.verdict.causes == ()
    assert outcome.verdict.exact
    assert outcome.verdict.holds
    assert outcome.gap < 1e-11
    assert outcome.verdict.field_gap == 0
