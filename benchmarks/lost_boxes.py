"""What lost boxes cost every strategy, and what box dropout keeps, over seeds:
`python -m benchmarks.lost_boxes [PRESET [--seeds 3] [-o DIR] [FLAGS of schwarz study]]`.

It is `schwarz study`, and then on the local networks of every seed a coarse net for each share of missing boxes. Shares
are compared on validation images, each answered by a net that did not learn from it; the test images only report. What
was measured of a run is kept in it.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.lost_boxes_told import Found, tell
from schwarz import data as datasets
from schwarz.box_dropout import dropped
from schwarz.cli.entry import status
from schwarz.coherent import Divided, Whole
from schwarz.config import Strategy, digest
from schwarz.evaluation import blank, rights
from schwarz.files import sha256
from schwarz.images import Inputs, Labelled, load, spread
from schwarz.lineage import code
from schwarz.runs import RunFolder
from schwarz.seeds import derive
from schwarz.shares import fleet
from schwarz.steps.place import place_of
from schwarz.steps.train_coarse import fold_nets
from schwarz.strategies import COMBINED, Trained
from schwarz.study.cells import existing
from schwarz.training import fit, predict

SHARES = (0.0, 0.1, 0.25, 0.5)
IMAGES = 4000
"""Test images, spread evenly."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("preset", nargs="?", default="quickstart")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/lost-boxes"))
    given, flags = parser.parse_known_args()
    if failed := status(["study", given.preset, "--seeds", str(given.seeds), "-o", str(given.out), *flags]):
        return failed
    runs = [cell.run for cell in existing(given.out.absolute()) if cell.preset == given.preset]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(measured, runs))
    print(*tell(found), sep="\n")
    return 0


def measured(run: RunFolder) -> Found:
    """Of a run every strategy, and a coarse net for every share: by its name what is right with 0 to N - 1 boxes
    missing, on test images, and by the coarse nets on validation images too."""
    torch.set_num_threads(1)
    cell = Cell(run)
    names: list[Strategy] = [name for name in run.config.strategies if name != "coarse"]
    found = {name: cell.kept([name, *cell.weights(name)], partial(cell.strategy, name)) for name in names}
    coarse = run.config.coarse.model_dump(mode="json")
    for share in SHARES:
        words = ["coarse", share, coarse, *cell.weights("average")]
        found[f"coarse {share:g}"] = cell.kept(words, partial(cell.coarse, share))
    return found


@dataclass(frozen=True)
class Cell:
    """A run of the study, its images and its trained networks."""

    run: RunFolder

    @cached_property
    def trained(self) -> Trained:
        at = partial(place_of, self.run.path)
        locals_ = fleet([folder for folder in self.run.done() if folder.parent.name == "train_local"])
        whole = {"composed": at("compose"), "composed_tuned": at("train_global", "composed")}
        divided = {name: at("train_coherent", part) for name, part in (("coherent", "scratch"), ("transfer",) * 2)}
        return Trained(locals_, **whole, **divided, global_=at("train_global", "random"))

    @cached_property
    def held(self) -> Labelled:
        return load(place_of(self.run.path, "prepare_data"), "validation")

    @cached_property
    def test(self) -> Labelled:
        with tempfile.TemporaryDirectory() as folder:
            datasets.unpack(place_of(self.run.path, "prepare_data") / "test", "test", Path(folder))
            return spread(load(Path(folder), "."), IMAGES)

    def weights(self, name: Strategy) -> list[str]:
        """What decides the answers of a strategy."""
        folders = self.trained.locals_ if name in COMBINED else [self.trained.folder(name)]
        return [sha256(folder / "weights.safetensors") for folder in folders]

    def kept(self, words: Sequence[object], work: Callable[[], Iterator[tuple[str, list[np.ndarray]]]]) -> dict:
        """What was found before of the same, else found now: of each part [choices, images] for 0 to N - 1 boxes."""
        file = self.run.path / "lost-boxes" / f"{digest([*words, IMAGES, code()])}.npz"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            found = {f"{part} {m:02}": right for part, rows in work() for m, right in enumerate(rows)}
            np.savez(file.with_suffix(".part.npz"), **found)  # pyright: ignore[reportArgumentType]  # names are parts
            file.with_suffix(".part.npz").replace(file)
        with np.load(file) as kept:
            return {p: [kept[name] for name in sorted(kept) if name.startswith(p)] for p in ("validation", "test")}

    def strategy(self, name: Strategy) -> Iterator[tuple[str, list[np.ndarray]]]:
        yield "test", self._rights(self.trained.model(name), self.test)

    def coarse(self, share: float) -> Iterator[tuple[str, list[np.ndarray]]]:
        """As the step of a run that learns from the validation images; these are scored by nets of the other folds."""
        c, seed, blueprint = self.run.config.coarse, self.run.config.seed, self.trained.blueprint
        lessons, net = self._lessons(share), blueprint.coarse_net(c.hidden, derive(seed, "coarse"))
        fit(net, c.training, lessons, None, derive(seed, "coarse"))
        yield "test", self._rights(self._with(net), self.test)
        found = [
            self._rights(self._with(other), Labelled(self.held.x[rows], self.held.y[rows]))
            for rows, other in fold_nets(blueprint, c, lessons, seed)
        ]
        yield "validation", [np.concatenate(folds, 1) for folds in zip(*found, strict=True)]

    def _lessons(self, share: float) -> Inputs:
        model, blueprint = self._with(nn.Identity()), self.trained.blueprint
        whole, nothing = predict(model, self.held.x).numpy(), predict(model, blank(blueprint))[0].numpy()
        seen, ask = Labelled(whole, self.held.y), lambda x: predict(model, x).numpy()
        return dropped(seen, self.held.x, ask, blueprint, nothing, share, self.run.config.seed) if share else seen

    def _with(self, combiner: nn.Module) -> Divided:
        return self.trained.blueprint.divided(self.trained.fleet, combiner)

    def _rights(self, model: Whole | Divided, images: Labelled) -> list[np.ndarray]:
        return rights({"": model}, self.trained.blueprint, images.x, images.y, seed=0)[""]


if __name__ == "__main__":
    sys.exit(main())
