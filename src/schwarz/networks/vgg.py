"""VGG9 of document 1: three stages of three 3x3 convolutions, one dense layer, the classes.

Document 1 gives no widths: the stages have w, 2w and 4w channels, each convolution is followed by BatchNorm and ReLU,
each stage by max-pooling. With a volume as input the convolutions are 3x3x3, as in document 1, section 3.1.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from schwarz.shrinking import left

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class VGG(nn.Module):
    """Stages of convolutions, then one dense layer on the flattened map, then the logits."""

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        stages: Sequence[Sequence[int]],
        dense: int,
        padding: Literal["same", "valid"] = "same",
    ) -> None:
        super().__init__()
        channels, *spatial = input_shape
        layers: list[nn.Module] = []
        for widths in stages:
            for width in widths:
                layers += _block(len(spatial), channels, width, padding)
                channels = width
            layers.append(POOL[len(spatial)](2))
        mapped = [left(n, [len(widths) for widths in stages], padding) for n in spatial]
        if min(mapped) < 1:
            raise ValueError(f"an input of {list(input_shape)} is too small: after all stages its map is {mapped}")
        self.features = nn.Sequential(*layers)
        self.dense = nn.Linear(channels * math.prod(mapped), dense)
        self.relu = nn.ReLU()
        self.classes = nn.Linear(dense, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] of images [batch, channels, *spatial]."""
        return self.classes(self.relu(self.dense(torch.flatten(self.features(x), 1))))


def vgg9(
    input_shape: Sequence[int],
    classes: int,
    width: int = 16,
    dense: int = 128,
    padding: Literal["same", "valid"] = "same",
) -> VGG:
    """Document 1's VGG9 with w = `width` (document 1 gives no widths: ours)."""
    return VGG(input_shape, classes, [[width * 2**stage] * 3 for stage in range(3)], dense, padding)


def _block(dim: int, inputs: int, outputs: int, padding: Literal["same", "valid"]) -> list[nn.Module]:
    return [
        CONV[dim](inputs, outputs, 3, padding=1 if padding == "same" else 0, bias=False),
        NORM[dim](outputs),
        nn.ReLU(),
    ]
