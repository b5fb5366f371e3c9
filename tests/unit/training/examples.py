"""Small fleets on random images, in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from schwarz.images import Labelled
from schwarz.networks import initialise, vgg9
from schwarz.training import Member

SHAPE, CLASSES = (3, 16, 16), 5


def images(seed: int, n: int = 48, shape: tuple[int, ...] = SHAPE) -> Labelled:
    """Noise in float64, with a faint pattern of the class."""
    generator, patterns = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(CLASSES, *shape))
    y = generator.integers(0, CLASSES, n)
    return Labelled(generator.normal(size=(n, *shape)) + 0.3 * patterns[y], y)


def small() -> nn.Module:
    return vgg9(SHAPE, CLASSES, width=4)


def fleet(
    n: int = 4, make: Callable[[], nn.Module] = small, shape: tuple[int, ...] = SHAPE, validate: bool = False
) -> list[Member]:
    """Members with weights, images and orders of their own."""
    members = []
    for k in range(n):
        held = images(100 + k, 20, shape) if validate else None
        members.append(Member(initialise(make(), k).double(), images(k, 48, shape), held, seed=k))
    return members


def gap(one: Member, other: Member) -> float:
    """The largest difference between the states of two members' networks."""
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def same_bytes(one: nn.Module, other: nn.Module) -> bool:
    state: dict[str, Any] = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())
