"""Train the coarse net on the local probabilities (document 1, section 2.1: the CNN-DNN's DNN): of images that no local
network was trained on, or of training images, by the networks that saw them or by others that did not."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from schwarz.blueprint import Blueprint, blueprint_of, load_fleet, save
from schwarz.coherent import Divided
from schwarz.combine import Forgetful
from schwarz.config import Augment, Coarse, Local
from schwarz.evaluation import blank
from schwarz.files import write_json
from schwarz.images import Labelled, load, save_array
from schwarz.journal import Journal
from schwarz.out_of_fold import Without, answers, enough, folds
from schwarz.seeds import derive
from schwarz.shares import HISTORY, fleet, in_step, seconds
from schwarz.steps.boxes import near
from schwarz.steps.follow import Followers, as_told
from schwarz.steps.frame import Metrics, step
from schwarz.training import Checkpoints, accuracy, fit, predict
from schwarz.training.device import clock, device
from schwarz.training.workers import side_by_side, workers


@step("coarse net")
def train_coarse(
    seed: int, augment: Augment, coarse: Coarse, local: Local, *,
    images: Path, shards: Path, locals_: list[Path], journal: Journal, checkpoints: Checkpoints, out: Path,
) -> Metrics:  # fmt: skip
    """Writes the coarse net, its history, and validation.npy: its scores on the validation images, by which strategies
    are compared.

    A net that learned from those images (`holdout`) says nothing by its own answers on them: each is instead scored by
    a net trained without its fold. Local networks that are trained for the coarse net alone are part of its cost.
    """
    boxes, others = fleet(locals_), list[Without]()
    blueprint, train, held = blueprint_of(boxes[0]), load(images, "train"), load(images, "validation")
    if coarse.source == "out-of-fold":
        enough(train.y, blueprint.classes, coarse.folds)
        parts = folds(train.y, coarse.folds, derive(seed, "out-of-fold"))
        with as_told("local"):
            others = _without(parts, blueprint, seed, augment, local, shards, journal, checkpoints)
    before_s, began = sum(seconds(fleet([each.out])) for each in others), clock()
    model = blueprint.divided(load_fleet(boxes), nn.Identity())
    seen = _answered(model, held)
    logits = _learned_from(coarse, seen, model, train, others)
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse"))
    nothing = predict(model, blank(blueprint))[0] if coarse.box_dropout else None
    spent_s, told = before_s + clock() - began, Followers(journal, coarse, "coarse")
    with as_told("coarse"):
        history = fit(
            _in_training(net, coarse, nothing),
            coarse.training,
            logits,
            None,
            derive(seed, "coarse"),
            partial(told.epoch, "coarse"),
            spent_s,
        )
        told.end("coarse")
        scores = (
            _crosswise(blueprint, coarse, logits, nothing, seed) if coarse.source == "holdout" else predict(net, seen.x)
        )
    about = {"in_step": {each.checkpoints.folder.name: in_step(fleet([each.out])) for each in others}}
    save(out, net, blueprint, role="coarse", hidden=list(coarse.hidden), device=device().type, **about)
    write_json(out / HISTORY, history.to_json())
    save_array(out / "validation.npy", scores.numpy())
    return {"validation_accuracy": accuracy(scores, held.y)}


def _without(
    parts: list[np.ndarray], blueprint: Blueprint, seed: int, augment: Augment, local: Local, shards: Path,
    journal: Journal, checkpoints: Checkpoints,
) -> list[Without]:  # fmt: skip
    """Local networks for every fold, trained on the others; beside the checkpoints, which no result holds."""
    boxes, found = tuple(range(len(blueprint.partition))), list[Without]()
    told = Followers(journal, local, *(f"fold {fold} local {k}" for fold in range(len(parts)) for k in boxes))
    cut, _ = near(shards)
    for fold, left_out in enumerate(parts):
        apart = replace(checkpoints, folder=checkpoints.folder / f"fold-{fold}")
        networks, name = apart.folder / "networks", f"fold {fold}"
        share = Without(seed, blueprint.network, augment, local, cut, boxes, apart, networks, fold, left_out)
        side_by_side(
            share.parts(workers()), lambda what, run, *said, name=name: told.hear(what, f"{name} {run}", *said)
        )
        found.append(share)
    return found


def _answered(model: Divided, images: Labelled) -> Labelled:
    """What local networks answer, in the place of the images."""
    return Labelled(predict(model, images.x).numpy(), images.y)


def _learned_from(coarse: Coarse, seen: Labelled, model: Divided, train: Labelled, others: list[Without]) -> Labelled:
    """What the net is trained on, as `coarse.source` says."""
    if coarse.source == "holdout":
        return seen
    if coarse.source == "train":
        return _answered(model, train)
    return Labelled(answers(train.x, others), train.y)


def _in_training(net: nn.Module, coarse: Coarse, nothing: Tensor | None) -> nn.Module:
    """The net, or where boxes are to be missing what leaves them out before it."""
    return net if nothing is None else Forgetful(net, nothing, coarse.box_dropout)


def _crosswise(blueprint: Blueprint, coarse: Coarse, logits: Labelled, nothing: Tensor | None, seed: int) -> Tensor:
    """Scores of images by nets that were trained on the others, fold by fold."""
    scores = torch.zeros(len(logits), blueprint.classes)
    for fold, left_out in enumerate(folds(logits.y, coarse.folds, derive(seed, "folds"))):
        net = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse", fold))
        rest = Labelled(np.delete(logits.x, left_out, 0), np.delete(logits.y, left_out, 0))
        fit(_in_training(net, coarse, nothing), coarse.training, rest, None, derive(seed, "coarse", fold))
        scores[torch.from_numpy(left_out)] = predict(net, logits.x[left_out])
    return scores
