"""The families of networks: what each is, where it comes from, and what may be chosen of it. Known without torch.

`schwarz.networks` builds them, with the choices that stand here as defaults; `Network` of the configuration names those
that take images.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from schwarz.shrinking import (
    HALVING,
    UNITS,
    Convention,
    Padding,
    bottleneck_resnet,
    cifar_resnet,
    convolution,
    staged,
)
from schwarz.windows import Window

Head = Literal["flatten", "pool"]
"""What the dense layers see of the last map: all its positions, or each channel's mean (global average pooling)."""
CIFAR, IMAGENET, DIGITS = (3, 32, 32), (3, 224, 224), (1, 28, 28)


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
        f"resnet{layers}", source, f"{3 * n} residual units of 2 convolutions", CIFAR, 10, _pooled(64),
        lambda padding: cifar_resnet(n, padding), ends_normalised=True,
    )  # fmt: skip


def _bottleneck(layers: int, convention: Convention) -> Family:
    units = f"{sum(UNITS[layers])} residual units of 3 convolutions"
    standard = (f"resnet{layers}", "document 3, Table 2.2", units, IMAGENET, 1000, _pooled(64))
    if convention == "keras":
        words = f"{sum(UNITS[layers])} units as in Keras, 1 hidden layer"
        standard = (f"resnet{layers}-keras", "document 3, Table 3.4", words, IMAGENET, 101, _pooled(64, 1024))
    return Family(*standard, lambda padding: bottleneck_resnet(layers, padding, convention), ends_normalised=True)


def _recurrent(name: str, source: str, summary: str) -> Family:
    return Family(name, source, summary, (28, 28), 10, {"width": 64}, takes_images=False)


def _all() -> Iterator[Family]:
    """Every family, those of one kind together."""
    words = "{} convolutions, {} hidden layer{}".format
    vgg9 = _staged(3, 3, 3)
    yield Family("vgg3", "document 1, 2.1", words(3, 1, ""), CIFAR, 10, _flat(16, 128), _staged(1, 1, 1))
    yield Family("vgg9", "document 1, 3.1", words(9, 1, ""), CIFAR, 10, _flat(16, 128), vgg9)
    vgg16 = _staged(2, 2, 3, 3, 3)
    yield Family("vgg16", "document 3, Table 2.1", words(13, 2, "s"), IMAGENET, 1000, _flat(64, 4096), vgg16)
    plain11 = _staged(2, 2, 2, 2, 2)
    yield Family("plain11", "document 3, 3.1.3", "10 convolutions", IMAGENET, 2, _pooled(32), plain11)
    yield _cifar(20, "document 1, 3.1")
    yield from (_cifar(layers, "document 3, Table 3.1") for layers in (32, 56, 110))
    yield from (_bottleneck(layers, "torchvision") for layers in UNITS)
    yield from (_bottleneck(layers, "keras") for layers in UNITS)
    yield Family(
        "lenet5", "document 5", words(2, 2, "s"), (1, 32, 32), 10, _flat(6, 84, "valid"),
        lambda padding: [convolution(5, padding), HALVING] * 2,
    )  # fmt: skip
    yield Family("cnn5", "document 4", words(2, 2, "s"), CIFAR, 10, _flat(32, 128), _staged(2))
    yield Family("ffn2", "document 4", "1 hidden layer", DIGITS, 10, {"dense": 128})
    yield Family("mlp", "document 3, 2.4", "2 hidden layers", DIGITS, 10, {"dense": 256})
    own, windows = {"dense": 128, "code": 32}, _staged(1, 1, 1, taps=5)
    yield Family(
        "autoencoder", "document 3, 2.4", "3 hidden layers, the input again", DIGITS, None, own, takes_images=False
    )
    yield Family(
        "cnn1d", "document 3, 2.4", words(3, 1, ""), (1, 128), 10, _flat(16, 64), windows, takes_images=False
    )  # fmt: skip
    yield _recurrent("recurrent", "document 3, (2.27)", "2 blocks of a state and an output")
    yield from (_recurrent(name, "document 3, 2.4", "2 layers, the last state") for name in ("rnn", "lstm", "gru"))


FAMILIES: dict[str, Family] = {family.name: family for family in _all()}
"""Every family by name."""
Made = TypeVar("Made")


def defaults_of(family: str) -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """A builder whose keyword-only choices, where they are not given, are the family's own."""

    def with_defaults(build: Any) -> Any:
        build.__kwdefaults__ = {**(build.__kwdefaults__ or {}), **FAMILIES[family].own}
        return build

    return with_defaults
