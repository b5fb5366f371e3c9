"""The 11-layer network of document 3, section 3.1.3: ten convolutions, global average pooling, one dense layer.

Its feature maps are Figure 3.7, its class activation maps Figure 3.8. The document says neither widths nor whether it
normalises: ours are w, 2w, 4w, 8w and 8w, with BatchNorm, without which ten layers hardly begin to learn.
"""

from collections.abc import Sequence

from schwarz.families import Head, defaults_of
from schwarz.networks.vgg import VGG
from schwarz.shrinking import Padding


@defaults_of("plain11")
def plain11(
    input_shape: Sequence[int], classes: int, *, width: int, dense: int | None, padding: Padding, head: Head
) -> VGG:
    """Five stages of two convolutions and a max-pooling."""
    return VGG(input_shape, classes, [[width * 2 ** min(stage, 3)] * 2 for stage in range(5)], dense, padding, head)
