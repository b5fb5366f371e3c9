"""How to build every network of a run, and how it is kept: safetensors beside the JSON that rebuilds the module."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor, nn

from schwarz import networks
from schwarz.coherent import Divided, Preprocess, Whole
from schwarz.combine import CoarseNet
from schwarz.config import Network
from schwarz.decomposition import decompose
from schwarz.errors import SchwarzError
from schwarz.files import read_json, write_atomic, write_json
from schwarz.images import MANIFEST, MEAN_IMAGE, save_array
from schwarz.partition import Box, Partition, padded
from schwarz.seeds import derive

WEIGHTS, NETWORK = "weights.safetensors", "network.json"


@dataclass(frozen=True)
class Blueprint:
    """What the networks of one run have in common."""

    network: Network
    partition: Partition
    image_shape: tuple[int, ...]
    """Of the raw images, channels first; the partition cuts the padded ones."""
    pad: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int
    mean_image: np.ndarray | None = None
    """[C, *spatial] of the raw images, where each pixel has a mean of its own."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the padded images, which the networks see."""
        return padded(self.image_shape, self.pad)

    def global_network(self, seed: int) -> nn.Module:
        """The undecomposed network with fresh weights."""
        return networks.initialise(self._global(), derive(seed, "global"))

    def local_networks(self, seed: int) -> list[nn.Module]:
        """Every local network with fresh weights, each a function of (seed, box)."""
        fresh = decompose(self._global(), self.partition, self.input_shape)
        return [networks.initialise(module, derive(seed, "local", k)) for k, module in enumerate(fresh)]

    def coarse_net(self, hidden: tuple[int, ...], seed: int) -> CoarseNet:
        net = CoarseNet(len(self.partition), self.classes, hidden)
        networks.initialise(net, derive(seed, "coarse"))
        return net

    def whole(self, network: nn.Module) -> Whole:
        """A global network that takes raw images."""
        return Whole(self._preprocess(), network)

    def on_box(self, local: nn.Module, k: int) -> Whole:
        """Local network k, that takes its raw box of padded images."""
        return Whole(self._preprocess().on(self.partition.boxes[k]), local)

    def divided(self, locals_: list[nn.Module], combiner: nn.Module) -> Divided:
        """Local networks and a combiner that take raw images."""
        return Divided(self._preprocess(), self.partition, locals_, combiner)

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network.model_dump(mode="json"),
            "boxes": [[list(span) for span in box] for box in self.partition],
            "image_shape": list(self.image_shape),
            "pad": self.pad,
            "mean": list(self.mean),
            "std": list(self.std),
            "classes": self.classes,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], mean_image: np.ndarray | None) -> "Blueprint":
        image_shape = tuple(value["image_shape"])
        boxes = tuple(Box(tuple((start, stop) for start, stop in spans)) for spans in value["boxes"])
        return cls(
            network=Network(**value["network"]),
            partition=Partition(padded(image_shape, value["pad"])[1:], boxes),
            image_shape=image_shape,
            pad=value["pad"],
            mean=tuple(value["mean"]),
            std=tuple(value["std"]),
            classes=value["classes"],
            mean_image=mean_image,
        )

    def _global(self) -> nn.Module:
        return networks.build(self.network, self.input_shape, self.classes)

    def _preprocess(self) -> Preprocess:
        mean = np.array(self.mean) if self.mean_image is None else self.mean_image
        return Preprocess(self.pad, mean, self.std, len(self.image_shape) - 1)


def planned(shards: Path, network: Network) -> Blueprint:
    """The blueprint of networks for the images that `split` cut."""
    plan = {**read_json(shards / MANIFEST)["plan"], "network": network.model_dump(mode="json")}
    return Blueprint.from_json(plan, _mean_image(shards))


def save(folder: Path, module: nn.Module, blueprint: Blueprint, **role: Any) -> None:
    """Keep a network: `role` says which one it is, e.g. role="local", box=2."""
    tensors = {name: value.contiguous() for name, value in module.state_dict().items()}
    write_atomic(folder / WEIGHTS, write_tensors(tensors))
    if blueprint.mean_image is not None:
        save_array(folder / MEAN_IMAGE, blueprint.mean_image)
    write_json(folder / NETWORK, {**role, "blueprint": blueprint.to_json()})


def blueprint_of(folder: Path) -> Blueprint:
    """The blueprint that a kept network was built by."""
    return Blueprint.from_json(read_json(folder / NETWORK)["blueprint"], _mean_image(folder))


def load_fleet(folders: list[Path]) -> list[nn.Module]:
    """Every local network of a run, from one folder per box in the order of the boxes."""
    fresh = blueprint_of(folders[0]).local_networks(0)
    return [_filled(network, folder) for network, folder in zip(fresh, folders, strict=True)]


def load_coarse(folder: Path) -> CoarseNet:
    """The coarse net kept in `folder`."""
    net = blueprint_of(folder).coarse_net(tuple(read_json(folder / NETWORK)["hidden"]), 0)
    _filled(net, folder)
    return net


def load_whole(folder: Path) -> Whole:
    """The global network kept in `folder`, on raw images."""
    blueprint = blueprint_of(folder)
    return blueprint.whole(_filled(blueprint.global_network(0), folder))


def load_divided(folder: Path) -> Divided:
    """The coherent model kept in `folder`, on raw images."""
    blueprint, hidden = blueprint_of(folder), tuple(read_json(folder / NETWORK)["hidden"])
    model = blueprint.divided(blueprint.local_networks(0), blueprint.coarse_net(hidden, 0))
    _filled(model, folder)
    return model


def _mean_image(folder: Path) -> np.ndarray | None:
    return np.load(folder / MEAN_IMAGE) if (folder / MEAN_IMAGE).exists() else None


def _filled(module: nn.Module, folder: Path) -> nn.Module:
    tensors: dict[str, Tensor] = read_tensors((folder / WEIGHTS).read_bytes())
    try:
        module.load_state_dict(tensors)
    except RuntimeError as fault:
        raise SchwarzError(f"{folder / WEIGHTS}: does not fit {folder / NETWORK}: {fault}") from None
    return module.eval()
