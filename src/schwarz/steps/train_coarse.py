"""Train the coarse net on the local probabilities (document 1, section 2.1: the CNN-DNN's DNN): of images that no local
network was trained on, or of training images, by the networks that saw them or by others that did not."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from schwarz.blueprint import Blueprint, blueprint_of, load_fleet, save
from schwarz.box_dropout import dropped
from schwarz.coherent import Divided
from schwarz.combine import CoarseNet
from schwarz.config import Augment, Coarse, Local
from schwarz.evaluation import blank
from schwarz.files import write_json
from schwarz.images import Inputs, Labelled, Rows, Some, load, save_array
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
    """Writes the coarse net, its history, how right it is on what it learned from with no box missing, and
    validation.npy: its scores on the validation images, by which strategies are compared.

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
    seen = Labelled(predict(model, held.x).numpy(), held.y)
    intact, lessons = _lessons(coarse, seen, held, train, model, blueprint, others, seed)
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse"))
    spent_s, told = before_s + clock() - began, Followers(journal, coarse, "coarse")
    with as_told("coarse"):
        history = fit(
            net, coarse.training, lessons, None, derive(seed, "coarse"), partial(told.epoch, "coarse"), spent_s
        )
        told.end("coarse")
        scores = (
            _crosswise(blueprint, coarse, lessons, seen, seed) if coarse.source == "holdout" else predict(net, seen.x)
        )
        learned = {"accuracy": accuracy(predict(net, intact.x), intact.y), "images": len(intact)}
    about = {"in_step": {each.checkpoints.folder.name: in_step(fleet([each.out])) for each in others}}
    about |= {"source": coarse.source, "learned": learned}
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


def _lessons(
    coarse: Coarse, seen: Labelled, held: Labelled, train: Labelled, model: Divided, blueprint: Blueprint,
    others: list[Without], seed: int,
) -> tuple[Labelled, Inputs]:  # fmt: skip
    """Local answers to images, as `coarse.source` says, and what the net is trained on: these or, with box dropout,
    answers to what is left of the images."""

    def ask(x: Rows) -> np.ndarray:
        return answers(x, others) if others else predict(model, x).numpy()

    holdout = coarse.source == "holdout"
    images, logits = (held, seen.x) if holdout else (train, ask(train.x))
    intact = Labelled(logits, images.y)
    if not coarse.box_dropout:
        return intact, intact
    nothing = predict(model, blank(blueprint))[0].numpy()
    return intact, dropped(intact, images.x, ask, blueprint, nothing, coarse.box_dropout, seed)


def _crosswise(blueprint: Blueprint, coarse: Coarse, lessons: Inputs, seen: Labelled, seed: int) -> Tensor:
    """Scores of images by nets that were trained on the others, fold by fold."""
    scores = torch.zeros(len(seen), blueprint.classes)
    for left_out, net in fold_nets(blueprint, coarse, lessons, seed):
        scores[torch.from_numpy(left_out)] = predict(net, seen.x[left_out])
    return scores


def fold_nets(
    blueprint: Blueprint, coarse: Coarse, lessons: Inputs, seed: int
) -> Iterator[tuple[np.ndarray, CoarseNet]]:
    """Fold by fold its images, and a net that was trained on the others."""
    rows = np.arange(len(lessons))
    for fold, left_out in enumerate(folds(lessons.y, coarse.folds, derive(seed, "folds"))):
        net = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse", fold))
        fit(net, coarse.training, Some(lessons, np.delete(rows, left_out)), None, derive(seed, "coarse", fold))
        yield left_out, net
