"""What a preset reaches over seeds: `python -m benchmarks.seeds [PRESET] [--seeds 5] [--first 10] [-o DIR]`.

Every seed is a whole run by the plain loop, two at a time; a finished one is not repeated. Accuracies are those on the
test images; costs are the CPU-seconds of training, those of the local networks included.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.lines import Line, report
from schwarz.config import STRATEGIES
from schwarz.data import describe
from schwarz.lineage import commit_of
from schwarz.presets import preset
from schwarz.reading import override
from schwarz.runs import create, project_root

Results = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="quickstart")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--first", type=int, default=10, help="0 to 4 chose the quickstart's settings: they are no test"
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/seeds"))
    given = parser.parse_args()
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = list(
            pool.map(
                lambda seed: run(given.preset, seed, given.out / str(seed)),
                range(given.first, given.first + given.seeds),
            )
        )
    return report([*strategies(runs), *claims(runs)])


def run(name: str, seed: int, out: Path) -> Results:
    """The results of one seed."""
    config = preset(name)
    version = describe(project_root(), config.data.name).md5
    folder = create(override(config, {"seed": seed, "data.md5": version}), out)
    commit, _ = commit_of(project_root())
    results = folder.results()
    if results is not None and results["lineage"]["commit"] != commit:
        raise SystemExit(f"{out}: made by commit {results['lineage']['commit'][:12]}, not this one: choose another -o.")
    if results is None:
        store = f"sqlite:///{out.parent.absolute() / 'mlflow.db'}"
        call = [sys.executable, "-m", "pipelines.execute", str(folder.path), "--runner", "python"]
        with (folder.logs / "pipeline.log").open("w") as log:
            subprocess.run(call, check=True, stdout=log, stderr=log, env={**os.environ, "MLFLOW_TRACKING_URI": store})
    results = folder.results()
    assert results is not None
    return results


def strategies(runs: list[Results]) -> list[Line]:
    """Test accuracy and cost of each strategy."""
    known = [name for name in STRATEGIES if name in runs[0]["strategies"]]
    lines = [Line(f"{name}-accuracy", of(runs, name, "test")) for name in known]
    return lines + [Line(f"{name}-CPU-s", of(runs, name, "cpu_s")) for name in known]


def claims(runs: list[Results]) -> list[Line]:
    """The order that the documents report, as differences paired by seed, and the price of the tuned network."""
    price = [a / b for a, b in zip(of(runs, "composed_tuned", "cpu_s"), of(runs, "global", "cpu_s"), strict=True)]
    return [
        Line("coarse-average", less(runs, "coarse", "average"), ">"),
        Line("average-majority", less(runs, "average", "majority"), ">"),
        Line("transfer-coarse", less(runs, "transfer", "coarse"), ">="),
        Line("composed_tuned-transfer", less(runs, "composed_tuned", "transfer"), ">"),
        Line("global-composed_tuned", less(runs, "global", "composed_tuned"), "<=", 0.025),
        Line("composed_tuned/global-CPU-s", price, "<=", 0.75),
    ]


def of(runs: list[Results], name: str, figure: str) -> list[float]:
    return [run["strategies"][name][figure] for run in runs]


def less(runs: list[Results], a: str, b: str) -> list[float]:
    return [x - y for x, y in zip(of(runs, a, "test"), of(runs, b, "test"), strict=True)]


if __name__ == "__main__":
    sys.exit(main())
