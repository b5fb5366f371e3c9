"""The local networks that one process trains: some of a pod's, as fleets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from schwarz.augmentation import training_box
from schwarz.blueprint import NETWORK, planned, save
from schwarz.config import Augment, Local, Network
from schwarz.files import read_json, write_json
from schwarz.images import Inputs, Shards
from schwarz.seeds import derive
from schwarz.strategies import history
from schwarz.training import MOMENTS, Checkpoints, Member, fit_in_step, fleets
from schwarz.training.device import device
from schwarz.training.workers import Tell

HISTORY = "history.json"


@dataclass(frozen=True)
class Share:
    """Some of the local networks: what one process trains, as fleets."""

    seed: int
    network: Network
    augment: Augment
    local: Local
    shards: Shards
    boxes: tuple[int, ...]
    checkpoints: Checkpoints
    out: Path

    def parts(self, count: int) -> list[Self]:
        """The same in at most so many parts."""
        return [replace(self, boxes=boxes) for boxes in shared(self.boxes, count)]

    def __call__(self, tell: Tell) -> None:
        """Train them and keep what comes of it."""
        blueprint = planned(self.shards.manifest, self.network)
        fresh = blueprint.local_networks(self.start())
        members = [
            Member(
                blueprint.on_box(fresh[k], k),
                self.images(k),
                self.shards.box(k, "validation"),
                self.order(k),
                partial(tell, "epoch", f"local {k}"),
                partial(tell, "note", f"local {k}"),
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
            about = {"box": k, "together": together[k], "device": device().type}
            save(self.out / f"box-{k}", fresh[k], blueprint, role="local", **about)
            if member.moments is not None:
                member.moments.inside("network").write(self.out / f"box-{k}" / MOMENTS)
            write_json(self.out / f"box-{k}" / HISTORY, member.history.to_json())
            tell("end", f"local {k}")
        tell("received", "", sum(each.taken[0] for each in self.shards.streamed.values()))

    def start(self) -> int:
        """The seed of their weights."""
        return self.seed

    def order(self, k: int) -> int:
        """The seed of the order in which a network sees its images."""
        return derive(self.seed, "local", k)

    def images(self, k: int) -> Inputs:
        """What the network of a box is trained on."""
        return training_box(self.shards, k, self.augment, self.seed)


def shared(boxes: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """Boxes as at most so many processes share them."""
    return [tuple(boxes[n::count]) for n in range(min(count, len(boxes)))]


def fleet(pods: list[Path]) -> list[Path]:
    """The folders of all local networks, in the order of their boxes, from the results of the pods."""
    return sorted(
        (box for pod in pods for box in pod.glob("box-*")), key=lambda box: int(box.name.removeprefix("box-"))
    )


def in_step(boxes: list[Path]) -> list[list[int]]:
    """Which local networks were trained as one, from the folders of all of them: by their boxes."""
    together = {tuple(read_json(box / NETWORK)["together"]) for box in boxes}
    return [list(each) for each in sorted(together)]


def seconds(boxes: list[Path]) -> float:
    """What the training of local networks took, all together."""
    return sum(history(box)["cpu_s"][-1] for box in boxes)
