"""Networks as users write them, which nothing in the library knows; and how a fresh one comes to look trained.

Unless it says otherwise, a network takes images of 3 x 16 x 16 pixels and gives scores.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

IMAGE = (3, 16, 16)


def look_trained(*modules: nn.Module, seed: int = 0) -> None:
    """Statistics, scales, slopes and biases as after training, far from 0 and 1: fresh ones hide where they went."""
    generator = torch.Generator().manual_seed(seed)
    for layer in (layer for module in modules for layer in module.modules()):
        for name, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
            if name == "running_var":
                nn.init.uniform_(tensor, 0.5, 2, generator=generator)
            elif tensor.dim() == 1:
                nn.init.normal_(tensor, generator=generator)


class Network(nn.Module):
    """Layers by name, and what a user does with them."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **layers: nn.Module) -> None:
        super().__init__()
        self.code = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.code(self, x)


def headed(*layers: nn.Module, shape: tuple[int, ...] = IMAGE, outputs: int = 4) -> nn.Sequential:
    """The layers, then a dense layer on all that they leave."""
    body = nn.Sequential(*layers, nn.Flatten()).eval()
    with torch.no_grad():
        features = body(torch.zeros(1, *shape)).shape[1]
    return nn.Sequential(*body, nn.Linear(features, outputs)).train()


def row_network(n: int, outputs: int = 3, padding: int = 0) -> nn.Sequential:
    """One normalised convolution on rows of n pixels, then a dense layer."""
    layers = nn.Conv1d(1, 4, 3, padding=padding), nn.BatchNorm1d(4), nn.ReLU()
    return headed(*layers, shape=(1, n), outputs=outputs)


class Crop(nn.Module):
    """So many positions off either end of every axis, by slices."""

    def __init__(self, low: Sequence[int], high: Sequence[int]) -> None:
        super().__init__()
        places = (slice(a, -b if b else None) for a, b in zip(low, high, strict=True))
        self.slices = (slice(None), slice(None), *places)

    def forward(self, x: Tensor) -> Tensor:
        return x[self.slices]


class Residual(nn.Module):
    """y = F(x) + x, the shortcut cropped (2.25) or projected."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Joined(nn.Module):
    """DenseNet's and Inception's: both branches, channel by channel."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.shortcut(x), self.body(x)], 1)


class DenseBlock(nn.Module):
    """DenseNet's: each convolution reads all channels before it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.norm, self.grow = nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1)
        self.more, self.mix = nn.Conv2d(13, 6, 3), nn.Conv2d(19, 10, 1)
        self.head = nn.Linear(10 * 6 * 6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = torch.cat([x, self.grow(F.relu(self.norm(x)))], 1)
        x = torch.cat([x[:, :, 1:-1, 1:-1], self.more(x)], 1)
        return self.head(torch.flatten(F.avg_pool2d(self.mix(x), 2), 1))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(3, 5, 1), nn.Conv2d(3, 7, 5)
        self.twice = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 9, 3))
        self.head = nn.Linear(21 * 12 * 12, 4)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.narrow(x)[..., 2:-2, 2:-2], self.wide(x), self.twice(x)]
        return self.head(torch.cat(parts, dim=1).relu().flatten(1))


def separable() -> nn.Module:
    """MobileNet's: depthwise, then over the channels, with uneven shares."""
    return headed(
        nn.Conv2d(3, 10, 3), nn.BatchNorm2d(10), nn.ReLU6(),
        nn.Conv2d(10, 10, 3, groups=10, bias=False), nn.Conv2d(10, 13, 1), nn.BatchNorm2d(13), nn.ReLU6(),
        nn.Conv2d(13, 26, 3, groups=13), nn.Conv2d(26, 7, 1),
    )  # fmt: skip


def resnext() -> nn.Module:
    return headed(nn.Conv2d(3, 24, 1), nn.ReLU(), nn.Conv2d(24, 48, 3, groups=6), nn.ReLU(), nn.Conv2d(48, 12, 1))


def residual() -> nn.Module:
    """Document 3's (2.25): the shortcut cropped, as the convolutions do not pad; then a projected one."""
    plain = Residual(nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)), Crop((1, 1), (1, 1)))
    projected = Residual(nn.Conv2d(8, 12, 3, 2), nn.Sequential(Crop((1, 1), (1, 1)), nn.Conv2d(8, 12, 1, 2)))
    return headed(nn.Conv2d(3, 8, 3), plain, projected)


def group_normed() -> nn.Module:
    return headed(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8))


def layer_normed() -> nn.Module:
    """An MLP on images."""
    return headed(nn.Flatten(), nn.Linear(768, 16), nn.LayerNorm(16))


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1))
        self.head = nn.Linear(8 * 14 * 14, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.head((x * torch.sigmoid(self.gate(x))).flatten(1))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.up, self.join = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(16, 8, 3, padding=1)
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = F.relu(self.down(x))
        x = F.relu(self.deep(F.max_pool2d(skip, 2)))
        return self.out(F.relu(self.join(torch.cat([skip, self.up(x)], 1))))


class Twisted(nn.Module):
    """A channel shuffle by hand, then a grouped or depthwise convolution."""

    def __init__(self, groups: int, by_name: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=groups)
        self.shuffle = nn.ChannelShuffle(2)
        self.head, self.by_name = nn.Linear(8 * 12 * 12, 3), by_name

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if self.by_name:
            return self.head(self.second(self.shuffle(x)).flatten(1))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)
        return self.head(self.second(x).flatten(1))


class Branches(nn.Module):
    """Two branches side by side, then a convolution in groups of four."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3)
        self.grouped = nn.Conv2d(12, 12, 3, groups=3)
        self.head = nn.Linear(12 * 12 * 12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.grouped(torch.cat([self.left(x), self.right(x)], 1)).flatten(1))


class Tied(nn.Module):
    """Two dense layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))))
