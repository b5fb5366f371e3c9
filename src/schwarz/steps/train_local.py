"""Train the local networks of one pod, each on its own box of all images, with no word to the others
(document 1, section 2.1; document 3, equation 2.9)."""

from pathlib import Path
from typing import Any

from schwarz.augmentation import pixels
from schwarz.config import Augment, Local, Network
from schwarz.images import Shards
from schwarz.journal import Journal
from schwarz.shares import Share
from schwarz.steps.boxes import near
from schwarz.steps.follow import Followers, as_told
from schwarz.steps.frame import Metrics, step
from schwarz.strategies import history
from schwarz.training import Checkpoints
from schwarz.training.workers import side_by_side, workers


def networks(*, shards: Path, pod: int, pods: int, **_: Any) -> str:
    """Those of a pod, as the journal calls it: `local 2`, `local 0-3`, `local 0, 2`, `local 1, 3..15`."""
    try:
        boxes = _boxes(shards, pod, pods)
    except (OSError, ValueError, KeyError):  # shards that are not whole: the step itself says what to do
        return f"local {pod}"
    if pods == 1 and len(boxes) > 1:
        return f"local {boxes[0]}-{boxes[-1]}"
    return f"local {', '.join(map(str, boxes))}" if len(boxes) < 4 else f"local {boxes[0]}, {boxes[1]}..{boxes[-1]}"


@step(networks, part="{pod}")
def train_local(
    seed: int,
    network: Network,
    augment: Augment,
    local: Local,
    *,
    shards: Path,
    pod: int,
    pods: int,
    journal: Journal,
    checkpoints: Checkpoints,
    out: Path,
) -> Metrics:
    """Writes box-<k>/ for every box of the pod: weights, how to rebuild the network, its history."""
    boxes = _boxes(shards, pod, pods)
    cut, received = near(shards, boxes, lambda text: journal.write("note", text=text))
    together = Followers(journal, local, *(f"local {k}" for k in boxes))
    whole = Share(seed, network, augment, local, cut, tuple(boxes), checkpoints, out)
    with as_told("local"):
        side_by_side(whole.parts(workers()), together.hear)
    reached = {k: history(out / f"box-{k}")["validation_accuracy"] for k in boxes}
    accuracies = {f"local_{k}_validation_accuracy": max(each) for k, each in reached.items()}
    received += together.bytes
    return {**accuracies, "bytes_received": float(received), "bytes_needed": float(pixels(cut, boxes, augment))}


def _boxes(shards: Path, pod: int, pods: int) -> range:
    """The boxes of a pod."""
    return Shards.read(shards).boxes[pod::pods]
