"""Train local networks and coarse net as one model: from scratch (document 1's CNN-DNN-coherent), or started from
trained local networks (document 1, section 2.2: CNN-DNN-transfer)."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from schwarz.augmentation import moving
from schwarz.blueprint import Blueprint, load_fleet, planned, save
from schwarz.coherent import Divided
from schwarz.combine import CoarseNet
from schwarz.config import Augment, Coarse, Local, Network, Training, Transfer
from schwarz.files import read_json, write_json
from schwarz.images import MANIFEST, Labelled, load
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import Followers, follower
from schwarz.steps.frame import Metrics, step
from schwarz.steps.train_local import HISTORY, Share, fleet
from schwarz.training import Checkpoints, fit, predict
from schwarz.training.workers import side_by_side, workers


@step("coherent", part="scratch")
def train_coherent(
    seed: int, network: Network, augment: Augment, coarse: Coarse, coherent: Training, *,
    images: Path, shards: Path, journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    """The coherent model from random weights."""
    blueprint = planned(shards, network)
    locals_ = blueprint.local_networks(derive(seed, "coherent"))
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "coherent"))
    model = blueprint.divided(locals_, net)
    return _train(blueprint, model, augment, coherent, "coherent", seed, images, journal, checkpoints, out)


@step("transfer", name="train_coherent", part="transfer")
def train_transfer(
    seed: int, network: Network, augment: Augment, local: Local, coarse: Coarse, transfer: Transfer, *,
    images: Path, shards: Path, locals_: list[Path], journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    """The coherent model from trained local networks: those of the run, or with `transfer.pretrain` its own, whose
    training is then part of its cost. Its coarse net starts at random, as in document 1, or was first
    trained alone, as long as the whole is to be, on what the frozen local networks answer to the training images.

    The validation images choose the best epoch and the best strategy, so its start must not have learned from them:
    it is not the net of `coarse`.
    """
    boxes, before_s = fleet(locals_), 0.0
    if transfer.pretrain is not None:
        settings = local.model_copy(update={"epochs": transfer.pretrain})
        boxes = _pretrained(derive(seed, "pretrain"), network, augment, settings, shards, journal, checkpoints)
        before_s = sum(read_json(box / HISTORY)["cpu_s"][-1] for box in boxes)
    began = time.process_time()
    blueprint = planned(shards, network)
    start = load_fleet(boxes)
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "transfer"))
    if transfer.coarse == "trained":
        train = load(images, "train")
        answers = predict(blueprint.divided(start, nn.Identity()), train.x).numpy()
        fit(net, transfer, Labelled(answers, train.y), None, derive(seed, "transfer", "alone"))
    model, spent_s = blueprint.divided(start, net), before_s + time.process_time() - began
    return _train(
        blueprint, model, augment, transfer, "transfer", seed, images, journal, checkpoints, out, spent_s,
        pretrain=transfer.pretrain,
    )  # fmt: skip


def _pretrained(
    seed: int, network: Network, augment: Augment, local: Local, shards: Path, journal: Journal,
    checkpoints: Checkpoints,
) -> list[Path]:  # fmt: skip
    """Fresh local networks, trained; one folder for each, beside the checkpoints, which no result holds."""
    boxes = tuple(range(len(read_json(shards / MANIFEST)["plan"]["boxes"])))
    apart = replace(checkpoints, folder=checkpoints.folder / "pretrain")
    share = Share(seed, network, augment, local, shards, boxes, apart, apart.folder / "networks")
    together = Followers(journal, local, *(f"pretrained local {k}" for k in boxes))
    side_by_side(share.parts(workers()), lambda what, run, *said: together.hear(what, f"pretrained {run}", *said))
    return fleet([share.out])


def _train(
    blueprint: Blueprint, model: Divided, augment: Augment, training: Training, name: str, seed: int,
    images: Path, journal: Journal, checkpoints: Checkpoints, out: Path, spent_s: float = 0.0, **about: Any,
) -> Metrics:  # fmt: skip
    train, validation = moving(load(images, "train"), augment, seed), load(images, "validation")
    told = follower(journal, name, training)
    history = fit(model, training, train, validation, derive(seed, name), told, spent_s, checkpoints)
    told.end()
    net = model.combiner
    assert isinstance(net, CoarseNet)
    hidden = [layer.out_features for layer in net.hidden if isinstance(layer, nn.Linear)]
    save(out, model, blueprint, role=name, hidden=hidden, **about)
    write_json(out / HISTORY, history.to_json())
    return {"validation_accuracy": max(history.validation_accuracy)}
