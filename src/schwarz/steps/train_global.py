"""Train the global network from random weights (document 3's GNet-R), or tune the composed one (GNet-T-trained)."""

from pathlib import Path

from torch import nn

from schwarz.augmentation import moving
from schwarz.blueprint import Blueprint, blueprint_of, load_whole, planned, save
from schwarz.config import Augment, Network, Training
from schwarz.files import write_json
from schwarz.images import load
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import follower
from schwarz.steps.frame import Metrics, step
from schwarz.training import Checkpoints, fit


@step("global", part="random")
def train_global(
    seed: int, network: Network, augment: Augment, global_: Training, *, images: Path, shards: Path,
    journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    """The global network from random weights."""
    blueprint = planned(shards, network)
    start = blueprint.global_network(derive(seed, "global"))
    return _train(blueprint, start, augment, global_, "global", seed, images, journal, checkpoints, out)


@step("composed_tuned", name="train_global", part="composed")
def tune(
    seed: int, augment: Augment, tune: Training, *, images: Path, composed: Path,
    journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    """The composed network, trained further on whole images."""
    blueprint, start = blueprint_of(composed), load_whole(composed).network
    return _train(blueprint, start, augment, tune, "composed_tuned", seed, images, journal, checkpoints, out)


def _train(
    blueprint: Blueprint, start: nn.Module, augment: Augment, training: Training, name: str, seed: int, images: Path,
    journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    model, told = blueprint.whole(start), follower(journal, name, training)
    train, validation = moving(load(images, "train"), augment, seed), load(images, "validation")
    history = fit(model, training, train, validation, derive(seed, name), told, checkpoints=checkpoints)
    told.end()
    save(out, model.network, blueprint, role=name)
    write_json(out / "history.json", history.to_json())
    return {"validation_accuracy": max(history.validation_accuracy)}
