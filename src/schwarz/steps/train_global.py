"""Train the global network from random weights (document 3's GNet-R), or tune the composed one (GNet-T-trained)."""

from pathlib import Path

from torch import nn

from schwarz.blueprint import Blueprint, blueprint_of, load_whole, planned, save
from schwarz.config import Network, Training
from schwarz.files import write_json
from schwarz.images import load
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import Follower
from schwarz.steps.frame import Metrics, step
from schwarz.training import fit


@step("global", part="random")
def train_global(
    seed: int, network: Network, global_: Training, *, images: Path, shards: Path, journal: Journal, out: Path
) -> Metrics:
    """The global network from random weights."""
    blueprint = planned(shards, network)
    start = blueprint.global_network(derive(seed, "global"))
    return _train(blueprint, start, global_, "global", seed, images, journal, out)


@step("composed_tuned", name="train_global", part="composed")
def tune(seed: int, tune: Training, *, images: Path, composed: Path, journal: Journal, out: Path) -> Metrics:
    """The composed network, trained further on whole images."""
    return _train(
        blueprint_of(composed), load_whole(composed).network, tune, "composed_tuned", seed, images, journal, out
    )


def _train(
    blueprint: Blueprint,
    start: nn.Module,
    training: Training,
    name: str,
    seed: int,
    images: Path,
    journal: Journal,
    out: Path,
) -> Metrics:
    model, follower = blueprint.whole(start), Follower(journal, name, training)
    history = fit(model, training, load(images, "train"), load(images, "validation"), derive(seed, name), follower)
    save(out, model.network, blueprint, role=name)
    write_json(out / "history.json", history.to_json())
    return {"validation_accuracy": max(history.validation_accuracy)}
