"""A training that loses its loss at every rate is told by each step as the fault of the section that sets its rate."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.config import Config
from schwarz.errors import Diverged
from schwarz.reading import override
from schwarz.runs import RunFolder
from schwarz.steps.compose import compose
from schwarz.steps.train_coarse import train_coarse
from schwarz.steps.train_coherent import train_coherent, train_transfer
from schwarz.steps.train_global import train_global, tune
from schwarz.steps.train_local import train_local
from tests.unit import trained_run

FAR = 1e36


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run as far as to its composed network."""
    with pytest.MonkeyPatch.context() as patch:
        made = trained_run.make(tmp_path_factory.mktemp("run") / "run", patch, **{"local.engine": "loop"})
        images, locals_ = made.steps / "prepare_data", [made.steps / "train_local" / "0"]
        compose(compose=made.config.compose, images=images, locals_=locals_, out=made.steps / "compose")
    return made


def local(c: Config, images: Path, shards: Path, locals_: list[Path], out: Path) -> None:
    given = {"network": c.network, "augment": c.augment, "local": c.local}
    train_local(seed=0, **given, shards=shards, pod=0, pods=1, out=out)


def coarse(c: Config, images: Path, shards: Path, locals_: list[Path], out: Path) -> None:
    given = {"augment": c.augment, "coarse": c.coarse, "local": c.local}
    train_coarse(seed=0, **given, images=images, shards=shards, locals_=locals_, out=out)


def coherent(c: Config, images: Path, shards: Path, locals_: list[Path], out: Path) -> None:
    given = {"network": c.network, "augment": c.augment, "coarse": c.coarse, "coherent": c.coherent}
    train_coherent(seed=0, **given, images=images, shards=shards, out=out)


def transfer(c: Config, images: Path, shards: Path, locals_: list[Path], out: Path) -> None:
    given = {"network": c.network, "augment": c.augment, "local": c.local, "coarse": c.coarse, "transfer": c.transfer}
    train_transfer(seed=0, **given, images=images, shards=shards, locals_=locals_, out=out)


def global_(c: Config, images: Path, shards: Path, locals_: list[Path], out: Path) -> None:
    given = {"network": c.network, "augment": c.augment, "global_": c.global_}
    train_global(seed=0, **given, images=images, shards=shards, out=out)


def tuned(c: Config, images: Path, shards: Path, locals_: list[Path], out: Path) -> None:
    composed = images.parent / "compose"
    tune(seed=0, augment=c.augment, tune=c.tune, images=images, composed=composed, locals_=locals_, out=out)


@pytest.mark.parametrize(
    ("step", "section", "change"),
    [
        (local, "local", {}),
        (coarse, "coarse", {"coarse.source": "train"}),
        (coarse, "local", {"coarse.source": "out-of-fold", "coarse.folds": 2}),
        (coherent, "coherent", {}),
        (transfer, "transfer", {}),
        (transfer, "transfer", {"transfer.coarse": "trained"}),
        (transfer, "local", {"transfer.pretrain": 1}),
        (global_, "global", {}),
        (tuned, "tune", {}),
    ],
)
def test_a_lost_loss_is_the_fault_of_its_section(
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[..., Any],
    section: str,
    change: dict,
) -> None:
    monkeypatch.delenv("SCHWARZ_RUN", raising=False)
    config = override(run.config, {f"{section}.lr": FAR, f"{section}.epochs": 3} | change)
    with pytest.raises(Diverged) as fault:
        step(
            config, run.steps / "prepare_data", run.steps / "split", [run.steps / "train_local" / "0"], tmp_path / "out"
        )
    assert str(fault.value).startswith(f"{section}.lr = 1e+36: the loss became nan in epoch ")
    assert str(fault.value).endswith(f": a run with a lower `--{section}.lr`")
