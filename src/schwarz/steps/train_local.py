"""Train the local networks of one pod, each on its own box of all images, with no word to the others
(document 1, section 2.1; document 3, equation 2.9)."""

from pathlib import Path

from schwarz.blueprint import planned, save
from schwarz.config import Network, Training
from schwarz.files import read_json, write_json
from schwarz.images import MANIFEST, load_box
from schwarz.journal import Journal
from schwarz.seeds import derive
from schwarz.steps.follow import Follower
from schwarz.steps.frame import Metrics, step
from schwarz.training import fit


@step("local {pod}", part="{pod}")
def train_local(
    seed: int, network: Network, local: Training, *, shards: Path, pod: int, pods: int, journal: Journal, out: Path
) -> Metrics:
    """Writes box-<k>/ for every box of the pod: weights, how to rebuild the network, its history."""
    manifest, blueprint = read_json(shards / MANIFEST), planned(shards, network)
    fresh = blueprint.local_networks(seed)
    mine = range(pod, len(fresh), pods)
    metrics: Metrics = {}
    for position, k in enumerate(mine):
        follower = Follower(journal, f"local {k}", local, position, len(mine))
        train, validation = load_box(manifest, k, "train"), load_box(manifest, k, "validation")
        model = blueprint.on_box(fresh[k])
        history = fit(model, local, train, validation, derive(seed, "local", k), follower)
        save(out / f"box-{k}", model.network, blueprint, role="local", box=k)
        write_json(out / f"box-{k}" / "history.json", history.to_json())
        metrics[f"local_{k}_validation_accuracy"] = max(history.validation_accuracy)
    return metrics


def fleet(pods: list[Path]) -> list[Path]:
    """The folders of all local networks, in the order of their boxes, from the results of the pods."""
    return sorted(
        (box for pod in pods for box in pod.glob("box-*")), key=lambda box: int(box.name.removeprefix("box-"))
    )
