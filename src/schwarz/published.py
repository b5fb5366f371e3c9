"""What Tables 2.1, 2.2, 3.1 and 3.4 of document 3 print, digit for digit."""

from collections.abc import Iterator
from typing import NamedTuple


class Printed(NamedTuple):
    """Parameters in millions and GFLOPs of a network, or the ratios of two networks."""

    parameters: str
    gflops: str


LAYERS = """
input  224x224x3    112x112x3   -             -
1      224x224x64   112x112x16  3x3x3x64      3x3x3x16
2      224x224x64   112x112x16  3x3x64x64     3x3x16x16
3      112x112x128  56x56x32    3x3x64x128    3x3x16x32
4      112x112x128  56x56x32    3x3x128x128   3x3x32x32
5      56x56x256    28x28x64    3x3x128x256   3x3x32x64
6-7    56x56x256    28x28x64    3x3x256x256   3x3x64x64
8      28x28x512    14x14x128   3x3x256x512   3x3x64x128
9-10   28x28x512    14x14x128   3x3x512x512   3x3x128x128
11-13  14x14x512    7x7x128     3x3x512x512   3x3x128x128
14     1x1x4096     1x1x1024    7x7x512x4096  3x3x128x1024
15     1x1x4096     1x1x1024    1x1x4096x4096 1x1x1024x1024
16     1x1x1000     1x1x1000    1x1x4096x1000 1x1x1024x1000
"""
"""Table 2.1: layers of VGG16, output of the global and of a local network, kernel of the global and of a local one."""

FOUR_PARTS = {
    "VGG16": (Printed("138.35", "31.65"), Printed("4.17", "0.52")),
    "ResNet50": (Printed("25.56", "7.10"), Printed("1.99", "0.13")),
    "ResNet101": (Printed("44.55", "14.62"), Printed("3.19", "0.25")),
}
"""Table 2.2: the global network and one of four local ones."""

CIFAR = {
    "ResNet32": (Printed("7.44", "2.24"), Printed("0.47", "0.056"), Printed("0.47", "0.037")),
    "ResNet56": (Printed("13.65", "4.08"), Printed("0.86", "0.103"), Printed("0.86", "0.067")),
    "ResNet110": (Printed("27.62", "8.23"), Printed("1.74", "0.207"), Printed("1.74", "0.135")),
}
"""Table 3.1: the global network, one of four local ones with overlap, one without."""

CIFAR_RATIOS = {
    "ResNet32": (Printed("15.83", "40"), Printed("15.83", "60.54")),
    "ResNet56": (Printed("15.87", "39.61"), Printed("15.87", "60.90")),
    "ResNet110": (Printed("15.87", "39.76"), Printed("15.87", "60.96")),
}
"""Table 3.1: global network to local network with overlap, and without."""

FOOD = {
    "ResNet50": (
        Printed("25.79", "7.79"),
        Printed("1.66", "0.23"),
        Printed("0.43", "0.028"),
        Printed("0.12", "0.0056"),
    ),
    "ResNet101": (
        *(Printed("44.86", "15.26"), Printed("2.87", "0.42")),
        *(Printed("0.74", "0.050"), Printed("0.20", "0.0096")),
    ),
}
"""Table 3.4: the global network, one of 4, one of 8 and one of 16 local ones."""


def layers() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Table 2.1, each layer by itself: its number, and the four sizes."""
    for line in LAYERS.strip().splitlines():
        layer, *sizes = line.split()
        first, _, last = layer.partition("-")
        names = range(int(first), int(last or first) + 1) if first.isdigit() else [layer]
        yield from ((str(name), tuple(sizes)) for name in names)
