"""Work on tensors that is recorded once and replayed: on a CUDA device a step of a small network is hundreds of
launches that take longer than what they launch; a graph of them is one."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Work = Callable[..., Sequence[Tensor]]
Record = Callable[[Callable[[], Sequence[Tensor]]], Callable[[], Sequence[Tensor]]]
"""From work on tensors that stay where they are to what does it again; recording itself does nothing."""

WARM = 3
"""Calls that are done as they are, before the next is recorded: libraries choose their algorithms in the first ones."""


class Recorded:
    """Does what the work does, whatever the values of its tensors; of every set of shapes there is a recording."""

    def __init__(self, work: Work, record: Record) -> None:
        self.work, self.record = work, record
        self.calls: Counter[Any] = Counter()
        self.kept: dict[Any, tuple[list[Tensor], Callable[[], Sequence[Tensor]]]] = {}

    def __call__(self, *tensors: Tensor) -> Sequence[Tensor]:
        shapes = tuple(tensor.shape for tensor in tensors)
        self.calls[shapes] += 1
        if self.calls[shapes] <= WARM:
            return self.work(*tensors)
        if shapes not in self.kept:
            places = [tensor.clone() for tensor in tensors]
            self.kept[shapes] = places, self.record(lambda: self.work(*places))
        places, replay = self.kept[shapes]
        for place, tensor in zip(places, tensors, strict=True):
            place.copy_(tensor)
        return [answer.clone() for answer in replay()]


def cuda_graph(work: Callable[[], Sequence[Tensor]]) -> Callable[[], Sequence[Tensor]]:
    """Recording as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answers = work()

    def replay() -> Sequence[Tensor]:
        graph.replay()
        return answers

    return replay
