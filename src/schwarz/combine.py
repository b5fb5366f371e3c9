"""Making one decision of N local ones (document 1, section 2.1): average, majority, product, coarse net.

Each is a module from local logits [batch, N, K] to scores [batch, K]; softmax of the scores are the probabilities.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """Document 1's avg. prob.: the mean of the local probability distributions."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1).mean(1).log()


class Majority(nn.Module):
    """Document 1's maj. vot.: the class most local networks name; a tie goes to the class with the largest local
    probability among the tied ones, a further one to the lowest index."""

    def forward(self, logits: Tensor) -> Tensor:
        probabilities = logits.softmax(-1)
        classes = torch.arange(logits.shape[-1], device=logits.device)
        votes = (probabilities.argmax(-1, keepdim=True) == classes).to(logits.dtype).sum(1)
        return (votes + probabilities.amax(1) / 2).log()  # half a vote at most: it orders ties and overturns none


class Product(nn.Module):
    """The product of the local distributions, the summed local logits: what Theorems 2.1 and 2.2 speak of."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits.sum(1)


class CoarseNet(nn.Module):
    """The CNN-DNN's dense net: the N*K local probabilities through its hidden layers to the logits of the decision.

    The documents give it four hidden layers and no widths; those are ours, and stated by the configuration.
    """

    def __init__(self, boxes: int, classes: int, hidden: Sequence[int]) -> None:
        super().__init__()
        widths = [boxes * classes, *hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.classes = nn.Linear(widths[-1], classes)

    def forward(self, logits: Tensor) -> Tensor:
        x = logits.softmax(-1).flatten(1)
        for layer in self.hidden:
            x = layer(x).relu()
        return self.classes(x)


CHEAP: dict[str, type[nn.Module]] = {"average": Average, "majority": Majority, "product": Product}
