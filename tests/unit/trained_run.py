"""A run whose local networks are trained, briefly and on few images: what later steps begin with, in seconds."""

from pathlib import Path
from typing import Any

import pytest

from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import RunFolder, create
from schwarz.steps.place import place_of
from schwarz.steps.prepare_data import prepare_data
from schwarz.steps.split import split
from schwarz.steps.train_local import train_local

ROOT = Path(__file__).parents[2]
SMALL = {"data.limit": 200, "data.validation": 0.2}


def make(folder: Path, patch: pytest.MonkeyPatch, **changes: Any) -> RunFolder:
    """The run in `folder`, finished as far as to its local networks, all on one pod; its environment stays set."""
    run = create(override(preset("tiny"), SMALL | changes), folder)
    patch.setenv("SCHWARZ_RUN", str(run.path))
    patch.setenv("SCHWARZ_PROJECT", str(ROOT))
    c, at = run.config, lambda *names: place_of(run.path, *names)
    prepare_data(seed=0, data=c.data, out=at("prepare_data"))
    split(seed=0, data=c.data, partition=c.partition, augment=c.augment, images=at("prepare_data"), out=at("split"))
    chosen = {"seed": 0, "network": c.network, "augment": c.augment, "local": c.local}
    train_local(**chosen, shards=at("split"), pod=0, pods=1, out=at("train_local", "0"))
    return run
