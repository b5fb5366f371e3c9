"""The families of networks: what each is, where it comes from, and what may be chosen of it. Known without torch.

`schwarz.networks` builds them; `Network` of the configuration names those that take images.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from schwarz.shrinking import (
    HALVING,
    UNITS,
    Convention,
    Padding,
    Window,
    bottleneck_resnet,
    cifar_resnet,
    convolution,
    staged,
)

Head = Literal["flatten", "pool"]
"""What the dense layers see of the last map: all its positions, or each channel's mean (global average pooling)."""
CIFAR, DIGITS = (3, 32, 32), (1, 28, 28)


def unwindowed(_: Padding) -> list[Window]:
    """A family without convolutions and poolings leaves every axis as it is."""
    return []


@dataclass(frozen=True)
class Family:
    """One family, as it stands in the documents."""

    name: str
    source: str
    """Where it comes from: document, section or table."""
    summary: str
    input_shape: tuple[int, ...]
    """A standard input: channels first; (time, features) for recurrent networks."""
    classes: int | None
    """Standard outputs; None where the output is the input once more."""
    own: Mapping[str, Any]
    """All that can be chosen, each with the family's own value: `width`, channels of the first stage or neurons of a
    recurrent state; `dense`, neurons of each hidden dense layer; `padding` of the convolutions; `head`."""
    windows: Callable[[Padding], list[Window]] = unwindowed
    """What it does to one axis of an image."""
    ends_normalised: bool = False
    """Whether BatchNorm stands on the last map: it cannot be trained on a single value of a channel."""
    takes_images: bool = True
    """Whether the pipeline can use it: images in, scores of classes out."""


def _flat(width: int, dense: int, padding: Padding = "same") -> dict[str, Any]:
    """The choices of a convolutional family that flattens its last map."""
    return {"width": width, "dense": dense, "padding": padding, "head": "flatten"}


def _pooled(width: int, dense: int | None = None) -> dict[str, Any]:
    """The choices of a convolutional family that ends in global pooling."""
    return {"width": width, "dense": dense, "padding": "same", "head": "pool"}


def _staged(*stages: int, taps: int = 3) -> Callable[[Padding], list[Window]]:
    return lambda padding: staged(stages, padding, taps)


def _cifar(layers: int, source: str) -> Family:
    n = (layers - 2) // 6
    return Family(
        f"resnet{layers}", source, f"three stages of {n} residual units of two convolutions", CIFAR, 10, _pooled(64),
        lambda padding: cifar_resnet(n, padding), ends_normalised=True,
    )  # fmt: skip


def _bottleneck(layers: int, convention: Convention) -> Family:
    units = f"{sum(UNITS[layers])} residual units of three convolutions"
    if convention == "torchvision":
        standard = (f"resnet{layers}", "document 3, Table 2.2", units, (3, 224, 224), 1000, _pooled(64))
    else:
        words = f"{units}, as in Keras, a dense layer"
        standard = (f"resnet{layers}-keras", "document 3, Table 3.4", words, (3, 224, 224), 101, _pooled(64, 1024))
    return Family(
        *standard, lambda padding: bottleneck_resnet(layers, padding, convention), ends_normalised=True
    )  # fmt: skip


def _recurrent(name: str, source: str, summary: str) -> Family:
    return Family(name, source, summary, (28, 28), 10, {"width": 64}, takes_images=False)


def _all() -> Iterator[Family]:
    """Every family, those of one kind together."""
    vgg = "three stages of {}, a dense layer".format
    yield Family("vgg3", "document 1, 2.1", vgg("a convolution"), CIFAR, 10, _flat(16, 128), _staged(1, 1, 1))
    yield Family("vgg9", "document 1, 3.1", vgg("three convolutions"), CIFAR, 10, _flat(16, 128), _staged(3, 3, 3))
    yield Family(
        "vgg16", "document 3, Table 2.1", "five stages of two or three convolutions, two dense layers",
        (3, 224, 224), 1000, _flat(64, 4096), _staged(2, 2, 3, 3, 3),
    )  # fmt: skip
    yield Family(
        "plain11", "document 3, 3.1.3", "five stages of two convolutions, global pooling",
        (3, 224, 224), 2, _pooled(32), _staged(2, 2, 2, 2, 2),
    )  # fmt: skip
    yield _cifar(20, "document 1, 3.1")
    yield from (_cifar(layers, "document 3, Table 3.1") for layers in (32, 56, 110))
    yield from (_bottleneck(layers, "torchvision") for layers in UNITS)
    yield from (_bottleneck(layers, "keras") for layers in UNITS)
    yield Family(
        "lenet5", "document 5", "two convolutions, average pooling, two dense layers",
        (1, 32, 32), 10, _flat(6, 84, "valid"), lambda padding: [convolution(5, padding), HALVING] * 2,
    )  # fmt: skip
    words = "two convolutions, one max-pooling, two dense layers"
    yield Family("cnn5", "document 4", words, CIFAR, 10, _flat(32, 128), _staged(2))
    yield Family("ffn2", "document 4", "a dense layer", DIGITS, 10, {"dense": 128})
    yield Family("mlp", "document 3, 2.4", "two dense layers", DIGITS, 10, {"dense": 256})
    words, own = "a dense layer, a code, a dense layer, the input again", {"dense": 128, "code": 32}
    yield Family("autoencoder", "document 3, 2.4", words, DIGITS, None, own, takes_images=False)
    words, windows = "three stages of a 5-wide convolution, a dense layer", _staged(1, 1, 1, taps=5)
    yield Family("cnn1d", "document 3, 2.4", words, (1, 128), 10, _flat(16, 64), windows, takes_images=False)
    yield _recurrent("recurrent", "document 3, (2.27)", "two blocks of a state and an output of its own")
    yield _recurrent("rnn", "document 3, 2.4", "two layers of a plain state, the last one in time")
    yield _recurrent("lstm", "document 3, 2.4", "two layers of long short-term memory, the last state")
    yield _recurrent("gru", "document 3, 2.4", "two layers of gated units, the last state")


FAMILIES: dict[str, Family] = {family.name: family for family in _all()}
"""Every family by name."""
