"""Train one model on whole images and keep it: what the global network, the composed one and the coherent ones have in
common."""

from functools import partial
from pathlib import Path
from typing import Any

from schwarz.augmentation import moving
from schwarz.blueprint import Blueprint, save
from schwarz.coherent import Divided, Whole
from schwarz.config import Augment, Training
from schwarz.files import write_json
from schwarz.images import load
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.shares import HISTORY
from schwarz.steps.follow import Followers, as_told
from schwarz.steps.frame import Metrics
from schwarz.training import Checkpoints, Member, Moments, fit_in_step
from schwarz.training.device import device


def train_whole(
    name: str, model: Whole | Divided, blueprint: Blueprint, seed: int, augment: Augment, training: Training, *,
    images: Path, journal: Journal, checkpoints: Checkpoints, out: Path,
    start: Moments | None = None, spent_s: float = 0.0, **about: Any,
) -> Metrics:  # fmt: skip
    """Writes weights, how to rebuild the network, its history; `about` is kept beside the weights."""
    train, validation = moving(load(images, "train"), augment, seed), load(images, "validation")
    told = Followers(journal, training, name)
    member = Member(
        model, train, validation, derive(seed, name), partial(told.epoch, name), partial(told.note, name),
        start=start, spent_s=spent_s,
    )  # fmt: skip
    with as_told("tune" if name == "composed_tuned" else name):
        fit_in_step([member], training, checkpoints)
    told.end(name)
    kept = model.network if isinstance(model, Whole) else model
    save(out, kept, blueprint, role=name, device=device().type, **about)
    write_json(out / HISTORY, member.history.to_json())
    return {"validation_accuracy": max(member.history.validation_accuracy)}
