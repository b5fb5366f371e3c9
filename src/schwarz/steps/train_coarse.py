"""Train the coarse net on the local probabilities of images that no local network was trained on
(document 1, section 2.1: the CNN-DNN's DNN)."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from schwarz.blueprint import blueprint_of, load_fleet, save
from schwarz.config import Coarse
from schwarz.files import write_json
from schwarz.images import Labelled, load, save_array
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import follower
from schwarz.steps.frame import Metrics, step
from schwarz.steps.train_local import fleet
from schwarz.training import accuracy, fit, predict


@step("coarse net")
def train_coarse(
    seed: int, coarse: Coarse, *, images: Path, locals_: list[Path], journal: Journal, out: Path
) -> Metrics:
    """Writes the coarse net, its history, and validation.npy: its cross-fitted scores on the validation images.

    It learns from all of those images, so its own answers on them say nothing; each is instead scored by a net
    trained without its fold. Strategies are compared on these scores.
    """
    began = time.process_time()
    boxes = fleet(locals_)
    blueprint = blueprint_of(boxes[0])
    holdout = load(images, "validation")
    model = blueprint.divided(load_fleet(boxes), nn.Identity())
    logits = Labelled(predict(model, holdout.x).numpy(), holdout.y)
    net = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse"))
    spent_s, told = time.process_time() - began, follower(journal, "coarse", coarse)
    history = fit(net, coarse, logits, None, derive(seed, "coarse"), told, spent_s)
    told.end()
    scores = torch.zeros(len(logits), blueprint.classes)
    for fold, left_out in enumerate(folds(logits.y, coarse.folds, derive(seed, "folds"))):
        other = blueprint.coarse_net(coarse.hidden, derive(seed, "coarse", fold))
        rest = Labelled(np.delete(logits.x, left_out, 0), np.delete(logits.y, left_out, 0))
        fit(other, coarse, rest, None, derive(seed, "coarse", fold))
        scores[torch.from_numpy(left_out)] = predict(other, logits.x[left_out])
    save(out, net, blueprint, role="coarse", hidden=list(coarse.hidden))
    write_json(out / "history.json", history.to_json())
    save_array(out / "validation.npy", scores.numpy())
    return {"validation_accuracy": accuracy(scores, logits.y)}


def folds(y: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The indices of y in `count` stratified folds."""
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    return [np.sort(by_class[fold::count]) for fold in range(count)]
