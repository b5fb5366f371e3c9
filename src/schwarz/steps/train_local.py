"""Train the local networks of one pod, each on its own box of all images, with no word to the others
(document 1, section 2.1; document 3, equation 2.9)."""

from pathlib import Path

from schwarz.augmentation import training_box
from schwarz.blueprint import planned, save
from schwarz.config import Augment, Local, Network
from schwarz.files import read_json, write_json
from schwarz.images import MANIFEST, load_box
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import Followers
from schwarz.steps.frame import Metrics, step
from schwarz.training import Checkpoints, Member, fit_in_step, fleets


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
    manifest, blueprint = read_json(shards / MANIFEST), planned(shards, network)
    fresh = blueprint.local_networks(seed)
    mine = range(pod, len(fresh), pods)
    together = Followers(journal, local, *(f"local {k}" for k in mine))
    followers = [together.of(f"local {k}") for k in mine]
    models = [blueprint.on_box(fresh[k], k) for k in mine]
    members = [
        Member(
            model, training_box(manifest, k, augment, seed), load_box(manifest, k, "validation"),
            derive(seed, "local", k), follower, follower.retry,
        )
        for k, model, follower in zip(mine, models, followers, strict=True)
    ]  # fmt: skip
    for places in fleets(members, local, checkpoints.folder):
        fit_in_step([members[at] for at in places], local, checkpoints.of(*(mine[at] for at in places)))
    metrics: Metrics = {}
    for k, model, member, follower in zip(mine, models, members, followers, strict=True):
        follower.end()
        save(out / f"box-{k}", model.network, blueprint, role="local", box=k)
        write_json(out / f"box-{k}" / "history.json", member.history.to_json())
        metrics[f"local_{k}_validation_accuracy"] = max(member.history.validation_accuracy)
    return metrics


def fleet(pods: list[Path]) -> list[Path]:
    """The folders of all local networks, in the order of their boxes, from the results of the pods."""
    return sorted(
        (box for pod in pods for box in pod.glob("box-*")), key=lambda box: int(box.name.removeprefix("box-"))
    )
