"""Make one global network of the trained local ones (document 3, section 2.2), and check on validation images what the
theory says of it (section 2.3)."""

import copy
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from schwarz.batch_statistics import recompute_statistics, stored
from schwarz.blueprint import Blueprint, blueprint_of, load_fleet, save
from schwarz.composition import compose as compose_network
from schwarz.config import Compose
from schwarz.feature_maps import feature_maps
from schwarz.files import write_atomic, write_json
from schwarz.images import Labelled, load, pad, spread
from schwarz.journal import Journal
from schwarz.report import features
from schwarz.report.composition import PICTURE, VERIFIED
from schwarz.shares import fleet
from schwarz.steps.frame import Metrics, step
from schwarz.theory import verify
from schwarz.training import accuracy, predict
from schwarz.verdict import Verdict

IMAGES, MOST, FEW = 256, 2**22, 8
"""The composition is verified on so many validation images, or as many as have that many pixels; on eight at least."""
PIXELS, LEAST = 2**20, 32
"""Statistics are recomputed on so many pixels of whole training images, evenly spread, and on 32 images at least, or on
eight volumes: more change no accuracy, and all of them are in memory at once."""


@step("compose")
def compose(compose: Compose, *, images: Path, locals_: list[Path], journal: Journal, out: Path) -> Metrics:
    """Writes the composed network, untrained; verify.json (the verdict, and the validation accuracy with statistics
    kept and recomputed); features.svg (Figure 3.7; of images of two axes)."""
    boxes = fleet(locals_)
    blueprint, parts = blueprint_of(boxes[0]), load_fleet(boxes)
    kept = compose_network(blueprint.global_network(0), parts, blueprint.partition).eval()
    held = load(images, "validation")
    shown = min(IMAGES, max(FEW, MOST // prod(blueprint.input_shape[1:])))
    verdict = verified(blueprint, kept, parts, spread(held, shown))
    write_picture(out / PICTURE, blueprint, kept, parts, held)
    networks = {"keep": kept, "recompute": on_whole_images(blueprint, kept, load(images, "train"))}
    reached = {name: accuracy(predict(blueprint.whole(net), held.x), held.y) for name, net in networks.items()}
    save(out, networks[compose.statistics], blueprint, role="composed")
    statistics = {"used": compose.statistics, "stored": bool(stored(kept)), **reached}
    write_json(out / VERIFIED, {**verdict.to_json(), "statistics": statistics})
    metrics = figures(verdict) | {f"validation_accuracy_{name}": value for name, value in reached.items()}
    journal.write("run", run="composed", params={"statistics": compose.statistics}, tags={"verify.case": verdict.case})
    journal.write("metric", run="composed", epoch=0, metrics=metrics)
    return metrics


def verified(blueprint: Blueprint, network: nn.Module, parts: list[nn.Module], chosen: Labelled) -> Verdict:
    """The verdict on raw images: the networks are compared from the padded, normalised ones on."""
    return verify(network, parts, blueprint.partition, seen(blueprint, chosen.x), torch.from_numpy(chosen.y))


def seen(blueprint: Blueprint, x: np.ndarray) -> Tensor:
    """Raw images as the networks see them."""
    with torch.no_grad():
        return blueprint.whole(nn.Identity())(torch.from_numpy(np.array(x)))


def figures(verdict: Verdict) -> Metrics:
    """The verdict in numbers, flat, the same names in every run."""
    bound = {bound.equation: bound for bound in verdict.bounds or ()}
    missed, cost = bound["Theorem 2.2"], bound["(2.19)"]
    return {
        "verify_exact": float(verdict.exact),
        "verify_holds": float(verdict.holds),
        "verify_logit_gap": verdict.logit_gap,
        "verify_feature_gap": verdict.feature_gap,
        "verify_missed": missed.left,
        "verify_cost": cost.left,
        "verify_cost_bound": cost.right,
    }


def on_whole_images(blueprint: Blueprint, network: nn.Module, train: Labelled) -> nn.Module:
    """A copy of the composed network with BatchNorm's statistics of whole training images."""
    chosen = spread(train, enough(blueprint.input_shape))
    return recompute_statistics(copy.deepcopy(network), seen(blueprint, chosen.x))


def enough(input_shape: Sequence[int]) -> int:
    """Of how many images (C, *spatial) statistics are recomputed: of 32 volumes of 128x128x64, 32 channels would be
    4 GB."""
    _, *spatial = input_shape
    return max(LEAST if len(spatial) < 3 else FEW, PIXELS // prod(spatial))


def write_picture(path: Path, blueprint: Blueprint, network: nn.Module, parts: list[nn.Module], held: Labelled) -> None:
    """Figure 3.7 on the first image, where images have two axes and the network has maps."""
    if len(blueprint.partition.shape) != 2:
        return
    shown = np.array(held.x[:1])
    if pairs := feature_maps(network, parts, blueprint.partition, seen(blueprint, shown)):
        write_atomic(path, features.svg(pairs, pad(shown, blueprint.pad)))
