"""Train local networks and coarse net as one model: from scratch (document 1's CNN-DNN-coherent), or started from
trained local networks (document 1, section 2.2: CNN-DNN-transfer)."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from schwarz.blueprint import load_fleet, planned
from schwarz.config import Augment, Coarse, Local, Network, Training, Transfer
from schwarz.images import Labelled, load
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.shares import Share, fleet, in_step, seconds
from schwarz.steps.boxes import near
from schwarz.steps.follow import Followers, as_told
from schwarz.steps.frame import Metrics, step
from schwarz.steps.train_whole import train_whole
from schwarz.training import Checkpoints, fit, predict
from schwarz.training.device import clock
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
    told = {"images": images, "journal": journal, "checkpoints": checkpoints, "out": out}
    return train_whole("coherent", model, blueprint, seed, augment, coherent, **told, hidden=list(coarse.hidden))


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
    boxes, before_s, together = fleet(locals_), 0.0, {}
    if transfer.pretrain is not None:
        settings = local.model_copy(update={"epochs": transfer.pretrain})
        boxes = _pretrained(derive(seed, "pretrain"), network, augment, settings, shards, journal, checkpoints)
        before_s, together = seconds(boxes), {"pretrain": in_step(boxes)}
    began = clock()
    blueprint = planned(shards, network)
    start = load_fleet(boxes)
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "transfer"))
    if transfer.coarse == "trained":
        train = load(images, "train")
        answers = predict(blueprint.divided(start, nn.Identity()), train.x).numpy()
        with as_told("transfer"):
            fit(net, transfer, Labelled(answers, train.y), None, derive(seed, "transfer", "alone"))
    model, spent_s = blueprint.divided(start, net), before_s + clock() - began
    told = {"images": images, "journal": journal, "checkpoints": checkpoints, "out": out}
    about = {"hidden": list(coarse.hidden), "pretrain": transfer.pretrain, "in_step": together}
    return train_whole("transfer", model, blueprint, seed, augment, transfer, **told, spent_s=spent_s, **about)


def _pretrained(
    seed: int, network: Network, augment: Augment, local: Local, shards: Path, journal: Journal,
    checkpoints: Checkpoints,
) -> list[Path]:  # fmt: skip
    """Fresh local networks, trained; one folder for each, beside the checkpoints, which no result holds."""
    cut, _ = near(shards)
    boxes, apart = tuple(cut.boxes), replace(checkpoints, folder=checkpoints.folder / "pretrain")
    share = Share(seed, network, augment, local, cut, boxes, apart, apart.folder / "networks")
    together = Followers(journal, local, *(f"pretrained local {k}" for k in boxes))
    with as_told("local"):
        side_by_side(share.parts(workers()), lambda what, run, *said: together.hear(what, f"pretrained {run}", *said))
    return fleet([share.out])
