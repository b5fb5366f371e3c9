"""What networks look at: the class activation maps that `evaluate` leaves (document 3, section 3.1.3)."""

from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch

from schwarz.activation_maps import last_map, look, pictures
from schwarz.blueprint import load_whole
from schwarz.files import write_json
from schwarz.images import Labelled, save_array
from schwarz.partition import Partition
from schwarz.report.activation import FILES
from schwarz.steps.compose import seen
from schwarz.strategies import Trained

SHOWN = 4
"""Validation images whose class activation maps are kept."""


def write_looks(out: Path, trained: Trained, held: Labelled) -> None:
    """activation_maps.npy [networks, images, height, width] and what they are of: Figure 3.8 of document 3. Nothing
    where networks have no feature maps, or local ones were trained together with their coarse net alone."""
    blueprint, chosen = trained.blueprint, _of_different_classes(held.y)
    fresh, y = blueprint.global_network(0), torch.from_numpy(held.y[chosen])
    x = seen(blueprint, held.x[chosen])
    at = last_map(fresh, x)
    if at is None:
        return
    one = Partition.grid(blueprint.partition.shape, [1] * len(blueprint.partition.shape))
    folders = {"composed": trained.composed, "composed_tuned": trained.composed_tuned, "global": trained.global_}
    networks = {name: load_whole(folder).network for name, folder in folders.items() if folder}
    networks |= {"untrained": fresh} if networks else {}
    looks = {name: look([network], one, x, y, at) for name, network in networks.items()}
    if trained.locals_:
        looks = {"local": look(trained.fleet, blueprint.partition, x, y, at)} | looks
    if not looks:
        return
    says = {name: each.says.tolist() for name, each in looks.items()}
    write_json(out / FILES[0], {"images": chosen, "networks": says})
    save_array(out / FILES[1], pictures([*looks.values()]))


def _of_different_classes(y: np.ndarray) -> list[int]:
    """The first image of each of several classes, evenly spread; of few classes the second ones too, and so on."""
    classes = np.unique(y)
    taken = classes[np.unique(np.linspace(0, len(classes) - 1, SHOWN).astype(int))]
    by_class = [np.flatnonzero(y == label)[:SHOWN].tolist() for label in taken]
    return [place for nth in zip_longest(*by_class) for place in nth if place is not None][:SHOWN]
