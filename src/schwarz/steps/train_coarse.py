"""Train the coarse net on the local probabilities (document 1, section 2.1: the CNN-DNN's DNN): of images that no local
network was trained on, or of training images, by the networks that saw them or by others that did not."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from schwarz.blueprint import Blueprint, blueprint_of, load_fleet, save
from schwarz.config import Augment, Coarse, Local
from schwarz.files import read_json, write_json
from schwarz.images import MANIFEST, Labelled, load, save_array
from schwarz.journal import Journal
from schwarz.out_of_fold import Cut, answers, enough, folds
from schwarz.seeds import derive
from schwarz.steps.follow import follower
from schwarz.steps.frame import Metrics, step
from schwarz.steps.train_local import fleet
from schwarz.training import accuracy, fit, predict


@step("coarse net")
def train_coarse(
    seed: int, augment: Augment, coarse: Coarse, local: Local, *,
    images: Path, shards: Path, locals_: list[Path], journal: Journal, out: Path,
) -> Metrics:  # fmt: skip
    """Writes the coarse net, its history, and validation.npy: its scores on the validation images, by which strategies
    are compared.

    A net that learned from those images says nothing by its own answers on them: each is instead scored by a net
    trained without its fold.
    """
    began = time.process_time()
    boxes = fleet(locals_)
    blueprint = blueprint_of(boxes[0])
    model = blueprint.divided(load_fleet(boxes), nn.Identity())
    held = load(images, "validation")
    seen = Labelled(predict(model, held.x).numpy(), held.y)
    if coarse.source == "holdout":
        logits = seen
    elif coarse.source == "train":
        train = load(images, "train")
        logits = Labelled(predict(model, train.x).numpy(), train.y)
    else:
        train = load(images, "train")
        enough(train.y, coarse.folds)
        parts = folds(train.y, coarse.folds, derive(seed, "out-of-fold"))

        def done(count: int) -> None:
            journal.write("progress", done=count, total=len(parts))

        cut = Cut(blueprint, read_json(shards / MANIFEST), augment, train.x)
        logits = Labelled(answers(cut, local, parts, seed, done), train.y)
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse"))
    spent_s, told = time.process_time() - began, follower(journal, "coarse", coarse)
    history = fit(net, coarse.training, logits, None, derive(seed, "coarse"), told, spent_s)
    told.end()
    scores = _crosswise(blueprint, coarse, logits, seed) if coarse.source == "holdout" else predict(net, seen.x)
    save(out, net, blueprint, role="coarse", hidden=list(coarse.hidden))
    write_json(out / "history.json", history.to_json())
    save_array(out / "validation.npy", scores.numpy())
    return {"validation_accuracy": accuracy(scores, held.y)}


def _crosswise(blueprint: Blueprint, coarse: Coarse, logits: Labelled, seed: int) -> torch.Tensor:
    """Scores of images by nets that were trained on the others, fold by fold."""
    scores = torch.zeros(len(logits), blueprint.classes)
    for fold, left_out in enumerate(folds(logits.y, coarse.folds, derive(seed, "folds"))):
        net = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse", fold))
        rest = Labelled(np.delete(logits.x, left_out, 0), np.delete(logits.y, left_out, 0))
        fit(net, coarse.training, rest, None, derive(seed, "coarse", fold))
        scores[torch.from_numpy(left_out)] = predict(net, logits.x[left_out])
    return scores
