"""Reading training images with shifts and mirroring: ours against the Dataset and DataLoader that a user would write.

Each is timed in this process, one thread, in turn: CPU-seconds of an epoch of 10,000 images of 3x32x32.
"""

import random
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad
from torch.utils.data import DataLoader, Dataset

from benchmarks.lines import Line, report
from schwarz.augmentation import moving
from schwarz.config import Augment, Training
from schwarz.images import Labelled
from schwarz.training.epochs import epoch_of

ROUNDS, N, SHIFT, BATCH = 7, 10_000, 4, 128


class Plain(Dataset[Any]):
    """One image at a time: zeros around, a random crop, mirrored or not."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = pad(self.x[i], (SHIFT,) * 4)
        top, left = random.randint(0, 2 * SHIFT), random.randint(0, 2 * SHIFT)  # noqa: S311  # no secret
        image = image[:, top : top + 32, left : left + 32]
        return (image.flip(-1) if random.random() < 0.5 else image), self.y[i]  # noqa: S311  # no secret


def plain(images: Labelled) -> Iterator[object]:
    data = Plain(torch.from_numpy(images.x), torch.from_numpy(images.y))
    return iter(DataLoader(data, batch_size=BATCH, shuffle=True))


def ours(images: Labelled, **motion: Any) -> Iterator[object]:
    moved = moving(images, Augment(shift=SHIFT, flip=True, **motion), seed=0)
    return epoch_of([moved], Training(batch=BATCH), [0], epoch=1)


def cpu_s(epoch: Iterator[object]) -> float:
    began = time.process_time()
    for _ in epoch:
        pass
    return time.process_time() - began


def main() -> int:
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    images = Labelled(generator.integers(0, 256, (N, 3, 32, 32), np.uint8), generator.integers(0, 10, N))
    rounds = [(cpu_s(plain(images)), cpu_s(ours(images)), cpu_s(ours(images, rotation=15))) for _ in range(ROUNDS + 1)][
        1:
    ]
    loader, fleet, turned = ([taken[way] for taken in rounds] for way in range(3))
    return report([
        Line("DataLoader-us-per-image", [s / N * 1e6 for s in loader], middle=median),
        Line("ours-us-per-image", [s / N * 1e6 for s in fleet], middle=median),
        Line("ours-turned-too-us-per-image", [s / N * 1e6 for s in turned], middle=median),
        Line("DataLoader-over-ours", [a / b for a, b in zip(loader, fleet, strict=True)], ">=", 4, median),
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
