"""Models that take whole raw images: the global network, and the local networks with what combines them.

`Divided` is documents 1 and 2's CNN-DNN as one model. With trained local networks and a cheap combiner or a trained
coarse net it only decides; trained as a whole it is the coherent CNN-DNN, and started from trained local networks the
CNN-DNN-transfer.
"""

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from schwarz.partition import Box, Partition


class Preprocess(nn.Module):
    """Raw uint8 images [batch, C, *spatial] as the networks see them: zeros around, each channel normalised."""

    def __init__(self, pad: int, mean: np.ndarray, std: Sequence[float], axes: int) -> None:
        """`mean`: [C], or of each pixel, [C, *spatial]; the zeros around have mean 0 then."""
        super().__init__()
        shape = (-1, *[1] * axes)
        self.pad = (pad, pad) * axes
        shift = torch.tensor(mean, dtype=torch.get_default_dtype())
        shift = nn.functional.pad(shift, self.pad) if shift.dim() > 1 else shift.reshape(shape)
        self.register_buffer("mean", shift, persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(std).reshape(shape), persistent=False)

    def on(self, box: Box) -> Self:
        """The same for raw boxes of padded images."""
        alone = copy.deepcopy(self)
        alone.pad = (0,) * len(self.pad)
        if self.get_buffer("mean")[0].numel() > 1:
            alone.mean = self.get_buffer("mean")[box.slices].clone()
        return alone

    def forward(self, images: Tensor) -> Tensor:
        x = images.to(self.get_buffer("mean").dtype) / 255
        if any(self.pad):
            x = nn.functional.pad(x, self.pad)
        return (x - self.get_buffer("mean")) * self.get_buffer("scale")


class Whole(nn.Module):
    """One network on raw images, or on raw boxes of them: scores [batch, K]."""

    def __init__(self, preprocess: Preprocess, network: nn.Module) -> None:
        super().__init__()
        self.preprocess, self.network = preprocess, network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.preprocess(images))


class Divided(nn.Module):
    """Local networks on the boxes of raw images, and a combiner of their logits: scores [batch, K]."""

    def __init__(
        self, preprocess: Preprocess, partition: Partition, locals_: Sequence[nn.Module], combiner: nn.Module
    ) -> None:
        super().__init__()
        self.preprocess, self.partition = preprocess, partition
        self.locals = nn.ModuleList(locals_)
        self.combiner = combiner

    def local_logits(self, images: Tensor) -> Tensor:
        """[batch, N, K]: each local network on its own box."""
        boxes = self.partition.split(self.preprocess(images))
        return torch.stack([local(box) for local, box in zip(self.locals, boxes, strict=True)], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.combiner(self.local_logits(images))


class Deployed(nn.Module):
    """What is exported: probabilities [batch, K], and where there are local networks theirs, [batch, N, K]."""

    def __init__(self, model: Whole | Divided) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        if isinstance(self.model, Whole):
            return self.model(images).softmax(-1)
        logits = self.model.local_logits(images)
        return self.model.combiner(logits).softmax(-1), logits.softmax(-1)
