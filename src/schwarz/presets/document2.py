"""Document 2, of which we have a summary: its first three experiments, the study of overlaps, faces, and volumes.

The first experiment, CIFAR-10 without overlap, is document 1's `cifar10-vgg9-2x2`; chest CT scans are there as well.
The third compares 3x3 boxes with 2x2 under one global network, whose width both numbers divide.
"""

from functools import partial

from schwarz.config import Config, Network, PartitionConfig
from schwarz.presets.entry import Preset
from schwarz.presets.paper_like import paper_like

GROUP = "document 2"
OVERLAPS = (2, 4, 6, 8)
"""Half of a 16 pixels wide box at most. The summary names the first."""


def overlaps(name: str, overlap: int) -> Config:
    """The study of overlaps: VGG9 on CIFAR-10, 2x2 boxes that each reach so many pixels beyond a cut."""
    return paper_like(name, "cifar10", PartitionConfig(grid=(2, 2), overlap=overlap), Network(family="vgg9", width=16))


def third(name: str, grid: tuple[int, int]) -> Config:
    """3x3 boxes, or 2x2: time against accuracy, under one global network of 36 channels. Local networks of 3x3 have 4,
    as many as in `cifar10-vgg9-2x2`, whose global network has 16; those of 2x2 have 9."""
    return paper_like(name, "cifar10", PartitionConfig(grid=grid), Network(family="vgg9", width=36))


def yale(name: str, grid: tuple[int, int]) -> Config:
    """Faces of 192x168 pixels in changing light, 38 persons. The partitions are ours. 192 validation images are 5 of a
    person, too few for a coarse net: it learns from training images, answered by networks that did not see them."""
    return paper_like(
        name, "yale", PartitionConfig(grid=grid), Network(family="vgg9", width=64), batch=32, answers="out-of-fold"
    )


def volumes(name: str, grid: tuple[int, int, int], width: int) -> Config:
    """Volumes of 64x64x64: what the document says of time in 3D can be measured on them where chest CT scans cannot be
    had. Widths and epochs are ours: 40 epochs, for a machine without a GPU, and 16 channels, or the 32 that as many
    boxes of 4x4x2 share."""
    return paper_like(
        name, "adrenal3d", PartitionConfig(grid=grid), Network(family="vgg9", width=width), batch=8, epochs=(30, 10)
    )


def _cut(grid: tuple[int, ...]) -> str:
    return "x".join(map(str, grid))


def _named(name: str, data: str, summary: str, make: partial[Config]) -> Preset:
    return Preset(name, data, GROUP, summary, partial(make, name))


PRESETS = (
    *(
        _named(
            f"cifar10-vgg9-2x2-overlap{overlap}", "cifar10", f"VGG9, 2x2 with overlap {overlap}",
            partial(overlaps, overlap=overlap),
        )
        for overlap in OVERLAPS
    ),
    _named("cifar10-vgg9-3x3", "cifar10", "VGG9, 3x3", partial(third, grid=(3, 3))),
    _named(
        "cifar10-vgg9-2x2-width36", "cifar10", "VGG9, 2x2 under the global network of 3x3",
        partial(third, grid=(2, 2)),
    ),
    *(
        _named(f"yale-vgg9-{_cut(grid)}", "yale", f"VGG9, {_cut(grid)}", partial(yale, grid=grid))
        for grid in ((2, 2), (4, 4))
    ),
    *(
        _named(
            f"adrenal3d-vgg9-{_cut(grid)}", "adrenal3d", f"VGG9, {_cut(grid)}, in place of chest CT",
            partial(volumes, grid=grid, width=width),
        )
        for grid, width in (((2, 2, 1), 16), ((2, 2, 2), 16), ((4, 4, 2), 32))
    ),
)  # fmt: skip
