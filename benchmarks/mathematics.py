"""What decomposing, composing and verifying take: `python -m benchmarks.mathematics`.

CPU-seconds of one thread, without building the network. Random images and weights: nothing here depends on them.
"""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.lines import Line, report
from schwarz import Partition, compose, decompose, verify
from schwarz.networks.resnet import bottleneck_resnet, cifar_resnet

ROUNDS = 5
CIFAR, FOOD = (3, 32, 32), (3, 224, 224)


def main() -> int:
    torch.set_num_threads(1)
    quarters = Partition.grid(CIFAR[1:], (2, 2), overlap=4)
    checked = cifar_resnet(CIFAR, 10, n=5)
    parts = decompose(checked, quarters, CIFAR)
    compose(checked, parts, quarters)
    x, y = torch.randn(256, *CIFAR), torch.randint(0, 10, (256,))
    verifying = cpu_s(lambda: verify(checked, parts, quarters, x, y), 1)
    memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # before the larger networks

    deep = cifar_resnet(CIFAR, 10, n=18)
    locals_ = decompose(deep, quarters, CIFAR)
    sixteenths = Partition.grid(FOOD[1:], (4, 4), size=(70, 70), crop=(176, 176))
    large = bottleneck_resnet(FOOD, 101, dense=1024, layers=101, convention="keras")
    return report([
        Line("compose-ResNet110-4-CPU-s", cpu_s(lambda: compose(deep, locals_, quarters)), "<=", 2),
        Line("decompose-ResNet101-16-CPU-s", cpu_s(lambda: decompose(large, sixteenths, FOOD)), "<=", 5),
        Line("verify-ResNet32-256-CPU-s", verifying, "<=", 60),
        Line("verify-ResNet32-256-GB", [memory_gb], "<=", 2),
    ])  # fmt: skip


def cpu_s(work: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """CPU-seconds of some rounds."""
    taken = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return taken


if __name__ == "__main__":
    sys.exit(main())
