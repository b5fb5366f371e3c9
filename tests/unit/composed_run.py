"""A run whose local networks were not trained but have statistics of their own: what composing needs, in a second."""

from pathlib import Path
from typing import Any

import pytest

from schwarz.blueprint import planned, save
from schwarz.config import Network
from schwarz.journal import Journal
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import RunFolder, create
from schwarz.steps.compose import compose
from schwarz.steps.frame import Metrics, step
from schwarz.steps.place import place_of
from schwarz.steps.prepare_data import prepare_data
from schwarz.steps.split import split
from tests.models import look_trained

ROOT = Path(__file__).parents[2]
SMALL = {"data.limit": 200, "data.validation": 0.2, "strategies": ["composed"]}


@step("local", name="train_local", part="{pod}")
def untrained(network: Network, *, shards: Path, pod: int, journal: Journal, out: Path) -> Metrics:
    """Stands for the step `train_local`: fresh weights, and BatchNorm as after some training."""
    blueprint = planned(shards, network)
    local = blueprint.local_networks(3)[pod]
    look_trained(local, seed=pod)
    save(out / f"box-{pod}", local, blueprint, role="local", box=pod)
    return {}


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> RunFolder:
    """The run in `folder`, finished as far as to its composed network."""
    run = create(override(preset("tiny"), SMALL | changes), folder)
    monkeypatch.setenv("SCHWARZ_RUN", str(run.path))
    monkeypatch.setenv("SCHWARZ_PROJECT", str(ROOT))
    c, at = run.config, lambda *names: place_of(run.path, *names)
    prepare_data(seed=0, data=c.data, out=at("prepare_data"))
    cut = {"data": c.data, "partition": c.partition, "augment": c.augment}
    split(seed=0, **cut, images=at("prepare_data"), out=at("split"))
    locals_ = [at("train_local", str(pod)) for pod in range(c.partition.count)]
    for pod, out in enumerate(locals_):
        untrained(network=c.network, shards=at("split"), pod=pod, out=out)
    compose(compose=c.compose, images=at("prepare_data"), locals_=locals_, out=at("compose"))
    monkeypatch.delenv("SCHWARZ_RUN")
    return run
