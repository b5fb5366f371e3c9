"""Document 2, of which we have a summary: its first three experiments, the study of overlaps, faces, and volumes.

The first experiment, CIFAR-10 without overlap, is document 1's `cifar10-vgg9-2x2`; chest CT scans are there as well.
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


def third(name: str) -> Config:
    """3x3 boxes: time against accuracy. Local networks have 4 channels, as those of 2x2: the global network has 36."""
    return paper_like(name, "cifar10", PartitionConfig(grid=(3, 3)), Network(family="vgg9", width=36))


def yale(name: str, grid: tuple[int, int]) -> Config:
    """Faces of 192x168 pixels in changing light, 38 persons. The partitions are ours."""
    return paper_like(name, "yale", PartitionConfig(grid=grid), Network(family="vgg9", width=64), batch=32)


def volumes(name: str, grid: tuple[int, int, int]) -> Config:
    """Volumes of 64x64x64: what the document says of time in 3D can be measured on them where chest CT scans cannot be
    had. Partitions, width and epochs are ours: 16 channels and 40 epochs, for a machine without a GPU."""
    return paper_like(
        name, "adrenal3d", PartitionConfig(grid=grid), Network(family="vgg9", width=16), batch=8, epochs=(30, 10)
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
    _named("cifar10-vgg9-3x3", "cifar10", "VGG9, 3x3", partial(third)),
    *(
        _named(f"yale-vgg9-{_cut(grid)}", "yale", f"VGG9, {_cut(grid)}", partial(yale, grid=grid))
        for grid in ((2, 2), (4, 4))
    ),
    *(
        _named(
            f"adrenal3d-vgg9-{_cut(grid)}", "adrenal3d", f"VGG9, {_cut(grid)}, in place of chest CT",
            partial(volumes, grid=grid),
        )
        for grid in ((2, 2, 1), (2, 2, 2))
    ),
)  # fmt: skip
