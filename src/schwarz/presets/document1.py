"""Document 1, Tables 1 and 2: data sets, networks and partitions are the document's, widths and settings ours."""

from functools import partial

from schwarz.config import Config, Network, PartitionConfig
from schwarz.presets.entry import Preset
from schwarz.presets.paper_like import paper_like

GROUP = "document 1, Tables 1 and 2"
WIDTHS = {("cifar10", "vgg9"): 16, ("chestct", "vgg9"): 32}
"""Channels of the first stage, where they are not 64, the width of VGG16 and of document 3's ResNets: on CIFAR-10 few,
for a laptop; on volumes as many as the 32 boxes of 4x4x2 can share."""
BATCHES = {"flowers": 32, "chestct": 4}


def tables_1_and_2(name: str, data: str, family: str, grid: tuple[int, ...]) -> Config:
    """A row of Table 2, and of Table 1 where it has it: what the local networks say, combined in every way. The global
    network is the same for every partition of a data set."""
    return paper_like(
        name,
        data,
        PartitionConfig(grid=grid),
        Network.model_validate({"family": family, "width": WIDTHS.get((data, family), 64)}),
        batch=BATCHES.get(data, 64),
        lr=2e-3 if family == "vgg9" else 1e-3,
    )


def _row(data: str, family: str, *grid: int) -> Preset:
    cut = "x".join(map(str, grid))
    name = f"{data}-{family}-{cut}"
    summary = f"{family.replace('vgg', 'VGG').replace('resnet', 'ResNet')}, {cut}"
    return Preset(name, data, GROUP, summary, partial(tables_1_and_2, name, data, family, grid))


PRESETS = (
    _row("cifar10", "vgg9", 2, 2),
    _row("cifar10", "resnet20", 2, 2),
    _row("flowers", "vgg9", 2, 2),
    _row("flowers", "vgg9", 4, 4),
    _row("flowers", "resnet20", 2, 2),
    _row("flowers", "resnet20", 4, 4),
    _row("chestct", "vgg9", 2, 2, 1),
    _row("chestct", "vgg9", 4, 4, 2),
)
