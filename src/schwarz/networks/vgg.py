"""The VGG networks of documents 1 and 3: stages of 3-wide convolutions, each stage ending in max-pooling, dense layers.

Document 1 gives no widths: the stages of VGG3 and VGG9 have w, 2w and 4w channels and one or three convolutions each,
every convolution is followed by BatchNorm and ReLU. VGG16 is Table 2.1 of document 3, without BatchNorm. With a
volume as input the convolutions are 3x3x3, as in document 1, section 3.1.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from schwarz.families import Head, defaults_of
from schwarz.networks.parts import MAX_POOL, NORM, conv, headed, mapped, spatial_axes
from schwarz.shrinking import Padding, convolution, staged


class VGG(nn.Sequential):
    """Stages of convolutions of the given widths, then `hidden` dense layers, then the logits [batch, classes]."""

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        stages: Sequence[Sequence[int]],
        dense: int | None,
        padding: Padding = "same",
        head: Head = "flatten",
        *,
        hidden: int = 1,
        taps: int = 3,
        norm: bool = True,
    ) -> None:
        channels, axes = input_shape[0], spatial_axes(input_shape)
        spatial = mapped(input_shape, staged([len(widths) for widths in stages], padding, taps))
        layers: list[nn.Module] = []
        for widths in stages:
            for width in widths:
                layers.append(conv(axes, channels, width, convolution(taps, padding), bias=not norm))
                layers += [NORM[axes](width), nn.ReLU()] if norm else [nn.ReLU()]
                channels = width
            layers.append(MAX_POOL[axes](2))
        dense_widths = [dense] * hidden if dense else []
        parts = headed(nn.Sequential(*layers), (channels, *spatial), classes, dense_widths, head)
        super().__init__(OrderedDict(parts))


@defaults_of("vgg3")
def vgg3(
    input_shape: Sequence[int], classes: int, *, width: int, dense: int | None, padding: Padding, head: Head
) -> VGG:
    """Document 1's VGG3 (Figure 1): one convolution a stage. The widths are ours."""
    return VGG(input_shape, classes, [[width * 2**stage] for stage in range(3)], dense, padding, head)


@defaults_of("vgg9")
def vgg9(
    input_shape: Sequence[int], classes: int, *, width: int, dense: int | None, padding: Padding, head: Head
) -> VGG:
    """Document 1's VGG9 (section 3.1): three convolutions a stage. The widths are ours."""
    return VGG(input_shape, classes, [[width * 2**stage] * 3 for stage in range(3)], dense, padding, head)


@defaults_of("vgg16")
def vgg16(
    input_shape: Sequence[int], classes: int, *, width: int, dense: int | None, padding: Padding, head: Head
) -> VGG:
    """Document 3's Figure 2.1 and Table 2.1; 138,357,544 parameters for 1000 classes of 3x224x224."""
    stages = [[width] * 2, [width * 2] * 2, [width * 4] * 3, [width * 8] * 3, [width * 8] * 3]
    return VGG(input_shape, classes, stages, dense, padding, head, hidden=2, norm=False)
