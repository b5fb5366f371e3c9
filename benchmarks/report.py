"""What evaluating and reporting take for many test images: `python -m benchmarks.report [--images 10000]`.

The run is that of the quickstart, its nine strategies trained for one epoch on 1,000 images: what they learn is no
matter here. Its test images are the sample's, again and again. CPU-seconds are those of a whole process, imports
included: of the step `evaluate`, in which every network answers every image, which nothing can spare; of the step
`report` and of `schwarz report`. Beside them what the figures take that are worked out of the answers, one thread.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.lines import Line, report
from benchmarks.quickstart import cpu_s
from schwarz import data, evaluation, storage
from schwarz.evaluation import Answers
from schwarz.journal import read
from schwarz.runs import open_run, project_root

TRAIN = 1000
BRIEFLY = [f"--{section}.epochs=1" for section in ("local", "coarse", "coherent", "transfer", "global", "tune")]
ROUNDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="of the test part")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _many(Path(folder), given.images)
        cpu_s(["data", "add", "many.npz", "--name", "many"], folder)
        cpu_s(["run", "quickstart", "--data.name=many", *BRIEFLY, "--out", "run"], folder)
        run = open_run(Path(folder) / "run")
        ended = {event["step"]: event for event in read(run.journal) if event["event"] == "done"}
        evaluated, reported = (ended[step]["process"]["cpu_s"] for step in ("evaluate", "report"))
        again = [cpu_s(["report", "run"], folder) for _ in range(ROUNDS)]
        figures = [_figures_s(run.path / "steps" / "evaluate") for _ in range(ROUNDS)]
        return report([
            Line("evaluate-CPU-s", [evaluated]),
            Line("figures-CPU-s", figures),
            Line("report-CPU-s", [reported]),
            Line("figures-and-report-CPU-s", [each + reported for each in figures], "<=", 20),
            Line("report-again-CPU-s", again, "<=", 20),
            Line("page-MB", [(run.path / "report.html").stat().st_size / 1e6], "<=", 3),
        ])  # fmt: skip


def _figures_s(evaluated: Path) -> float:
    """All that `evaluate` says of the strategies' answers, from those that it kept."""
    y = np.load(evaluated / "classes.npy")
    kept = sorted((evaluated / "probabilities").glob("*.npy"))
    answers = {file.stem: Answers(np.load(file).astype(float), y) for file in kept}
    with threadpool_limits(1):
        began = time.process_time()
        evaluation.intervals(answers, seed=0)
        evaluation.pairs(answers)
        for each in answers.values():
            for told in (evaluation.figures, evaluation.details, evaluation.confusion):
                told(each)
        return time.process_time() - began


def _many(folder: Path, images: int) -> None:
    """A checkout, and in it an archive of the sample's images, as a person would bring them."""
    root = project_root()
    (folder / "data.dvc").write_text((root / "data.dvc").read_text())  # by which it is one
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\nno_scm = true\nanalytics = false\n")
    sample = storage.fetch(data.describe(root, "sample"))
    arrays = dict[str, Any]()
    counts: dict[data.Part, int] = {"train": TRAIN, "test": images}
    for part, count in counts.items():
        data.unpack(sample, part, folder / part)
        for name in "xy":
            all_ = np.load(folder / part / f"{name}.npy")
            arrays[f"{name}_{part}"] = all_[np.arange(count) % len(all_)]
    np.savez(folder / "many.npz", **arrays)


if __name__ == "__main__":
    sys.exit(main())
