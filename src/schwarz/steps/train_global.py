"""Train the global network from random weights (document 3's GNet-R), or tune the composed one (GNet-T-trained)."""

from pathlib import Path

from torch import nn

from schwarz.blueprint import Blueprint, blueprint_of, load_fleet, load_whole, planned
from schwarz.config import Augment, Network, Training, Tune
from schwarz.journal import Journal
from schwarz.moments import composed_states
from schwarz.seeds import derive
from schwarz.shares import fleet
from schwarz.steps.frame import Metrics, step
from schwarz.steps.train_whole import train_whole
from schwarz.training import MOMENTS, Checkpoints, Moments
from schwarz.training.adam import BETAS


@step("global", part="random")
def train_global(
    seed: int, network: Network, augment: Augment, global_: Training, *, images: Path, shards: Path,
    journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    """The global network from random weights."""
    blueprint = planned(shards, network)
    start = blueprint.global_network(derive(seed, "global"))
    told = {"images": images, "journal": journal, "checkpoints": checkpoints, "out": out}
    return train_whole("global", blueprint.whole(start), blueprint, seed, augment, global_, **told)


@step("composed_tuned", name="train_global", part="composed")
def tune(
    seed: int, augment: Augment, tune: Tune, *, images: Path, composed: Path, locals_: list[Path],
    journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    """The composed network, trained further on whole images; Adam begins anew, or goes on where it ended with the local
    networks."""
    blueprint, start = blueprint_of(composed), load_whole(composed).network
    moments = composed_moments(blueprint, start, fleet(locals_)) if tune.moments == "composed" else None
    told = {"images": images, "journal": journal, "checkpoints": checkpoints, "out": out}
    model = blueprint.whole(start)
    return train_whole("composed_tuned", model, blueprint, seed, augment, tune, start=moments, **told)


def composed_moments(blueprint: Blueprint, network: nn.Module, boxes: list[Path]) -> Moments:
    """Adam's moments of the composed network on raw images, from those that its local networks kept."""
    parts = load_fleet(boxes)
    kept = [Moments.read(box / MOMENTS).states(part.named_parameters()) for box, part in zip(boxes, parts, strict=True)]
    states = composed_states(kept, network, parts, blueprint.partition, set(network.parameters()), BETAS)
    return Moments.of_states(states, blueprint.whole(network).named_parameters())
