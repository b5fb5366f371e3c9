"""Train the local networks of one pod, each on its own box of all images, with no word to the others
(document 1, section 2.1; document 3, equation 2.9)."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from schwarz.augmentation import training_box
from schwarz.blueprint import planned, save
from schwarz.config import Augment, Local, Network
from schwarz.files import read_json, write_json
from schwarz.images import MANIFEST, load_box
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import Followers
from schwarz.steps.frame import Metrics, step
from schwarz.training import MOMENTS, Checkpoints, Member, fit_in_step, fleets
from schwarz.training.workers import Tell, side_by_side, workers

HISTORY = "history.json"


@step("local {pod}", part="{pod}")
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
    boxes = range(pod, len(read_json(shards / MANIFEST)["plan"]["boxes"]), pods)
    together = Followers(journal, local, *(f"local {k}" for k in boxes))
    whole = Share(seed, network, augment, local, shards, tuple(boxes), checkpoints, out)
    side_by_side(whole.parts(workers()), together.hear)
    histories = {k: read_json(out / f"box-{k}" / HISTORY) for k in boxes}
    return {f"local_{k}_validation_accuracy": max(each["validation_accuracy"]) for k, each in histories.items()}


@dataclass(frozen=True)
class Share:
    """Some of the local networks of a pod: what one process trains, as fleets."""

    seed: int
    network: Network
    augment: Augment
    local: Local
    shards: Path
    boxes: tuple[int, ...]
    checkpoints: Checkpoints
    out: Path

    def parts(self, count: int) -> list[Self]:
        """The same in at most so many parts."""
        return [replace(self, boxes=self.boxes[n::count]) for n in range(min(count, len(self.boxes)))]

    def __call__(self, tell: Tell) -> None:
        """Train them and keep what comes of it."""
        manifest, blueprint = read_json(self.shards / MANIFEST), planned(self.shards, self.network)
        fresh = blueprint.local_networks(self.seed)
        members = [
            Member(
                blueprint.on_box(fresh[k], k),
                training_box(manifest, k, self.augment, self.seed),
                load_box(manifest, k, "validation"),
                derive(self.seed, "local", k),
                partial(tell, "epoch", f"local {k}"),
                partial(tell, "retry", f"local {k}"),
                keeps_moments=True,  # at any rate, for twice the weights: what `tune` begins with is not known here
            )
            for k in self.boxes
        ]
        together: dict[int, list[int]] = {}
        for places in fleets(members, self.local, self.checkpoints.of(*self.boxes).folder):
            fleet = [self.boxes[at] for at in places]
            together |= dict.fromkeys(fleet, fleet)
            fit_in_step([members[at] for at in places], self.local, self.checkpoints.of(*fleet))
        for k, member in zip(self.boxes, members, strict=True):
            save(self.out / f"box-{k}", fresh[k], blueprint, role="local", box=k, together=together[k])
            if member.moments is not None:
                member.moments.inside("network").write(self.out / f"box-{k}" / MOMENTS)
            write_json(self.out / f"box-{k}" / HISTORY, member.history.to_json())
            tell("end", f"local {k}")


def fleet(pods: list[Path]) -> list[Path]:
    """The folders of all local networks, in the order of their boxes, from the results of the pods."""
    return sorted(
        (box for pod in pods for box in pod.glob("box-*")), key=lambda box: int(box.name.removeprefix("box-"))
    )
