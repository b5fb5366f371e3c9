"""Train local networks and coarse net as one model: from scratch (document 1's CNN-DNN-coherent), or started from
trained local networks (document 1, section 2.2: CNN-DNN-transfer)."""

from pathlib import Path

from torch import nn

from schwarz.blueprint import Blueprint, load_coarse, load_local, save
from schwarz.config import Coarse, Network, Training, Transfer
from schwarz.files import read_json, write_json
from schwarz.images import load
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import Follower
from schwarz.steps.frame import Metrics, step
from schwarz.steps.split import MANIFEST
from schwarz.steps.train_local import fleet
from schwarz.training import fit


@step("coherent", part="scratch")
def train_coherent(
    seed: int,
    network: Network,
    coarse: Coarse,
    coherent: Training,
    *,
    images: Path,
    shards: Path,
    journal: Journal,
    out: Path,
) -> Metrics:
    """The coherent model from random weights."""
    blueprint = _blueprint(shards, network)
    locals_ = blueprint.local_networks(derive(seed, "coherent"))
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "coherent"))
    return _train(blueprint, locals_, net, coherent, "coherent", seed, coarse, images, journal, out)


@step("transfer", name="train_coherent", part="transfer")
def train_transfer(
    seed: int, network: Network, coarse: Coarse, transfer: Transfer, *,
    images: Path, shards: Path, locals_: list[Path], trained: Path | None, journal: Journal, out: Path,
) -> Metrics:  # fmt: skip
    """The coherent model from trained local networks; its coarse net starts at random, or is the trained one."""
    blueprint = _blueprint(shards, network)
    start = [load_local(box) for box in fleet(locals_)]
    fresh = blueprint.coarse_net(coarse.hidden, derive(seed, "transfer"))
    net = fresh if trained is None else load_coarse(trained)
    return _train(blueprint, start, net, transfer, "transfer", seed, coarse, images, journal, out)


def _train(
    blueprint: Blueprint, locals_: list[nn.Module], net: nn.Module, training: Training, name: str,
    seed: int, coarse: Coarse, images: Path, journal: Journal, out: Path,
) -> Metrics:  # fmt: skip
    model = blueprint.divided(locals_, net)
    follower = Follower(journal, name, training)
    history = fit(model, training, load(images, "train"), load(images, "validation"), derive(seed, name), follower)
    save(out, model, blueprint, role=name, hidden=list(coarse.hidden))
    write_json(out / "history.json", history.to_json())
    return {"validation_accuracy": max(history.validation_accuracy)}


def _blueprint(shards: Path, network: Network) -> Blueprint:
    return Blueprint.from_json(
        {**read_json(shards / MANIFEST)["blueprint"], "network": network.model_dump(mode="json")}
    )
