"""What a preset reaches over seeds: `python -m benchmarks.seeds [PRESET] [--seeds 5] [--first 10] [-o DIR]`.

It is `schwarz study`, and then the order that the documents report. Accuracies are those on the test images; costs are
the CPU-seconds of training, those of the local networks included.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.lines import Line, report
from schwarz.cli.entry import status
from schwarz.config import STRATEGIES
from schwarz.files import read_json
from schwarz.lineage import commit_of
from schwarz.runs import project_root

Found = dict[str, dict[str, dict[str, Any]]]
"""Figures of every strategy: their values, one for each seed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="quickstart")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--first", type=int, default=10, help="0 to 4 chose the quickstart's settings: they are no test"
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/seeds"))
    given = parser.parse_args()
    found = studied(given.preset, given.seeds, given.out, "--seed", str(given.first))
    print()
    return report([*strategies(found), *claims(found)])


def studied(preset: str, seeds: int, out: Path, *flags: str) -> Found:
    """What a study of this commit finds."""
    if failed := status(["study", preset, "--seeds", str(seeds), "-o", str(out), *flags]):
        raise SystemExit(failed)
    study = read_json(out / "study.json")
    commit, _ = commit_of(project_root())
    if others := {cell["commit"] for cell in study["cells"]} - {commit}:
        raise SystemExit(f"{out}: made by commit {others.pop()[:12]}, not this one: choose another -o.")
    return study["presets"][preset]


def strategies(found: Found) -> list[Line]:
    """Test accuracy and cost of each strategy."""
    known = [name for name in STRATEGIES if name in found]
    lines = [Line(f"{name}-accuracy", of(found, name, "test")) for name in known]
    return lines + [Line(f"{name}-CPU-s", of(found, name, "training_cpu_s")) for name in known]


def claims(found: Found) -> list[Line]:
    """The order that the documents report, as differences paired by seed, and the price of the tuned network."""
    spent = [of(found, name, "training_cpu_s") for name in ("composed_tuned", "global")]
    price = [a / b for a, b in zip(*spent, strict=True)]
    return [
        Line("coarse-average", less(found, "coarse", "average"), ">"),
        Line("average-majority", less(found, "average", "majority"), ">"),
        Line("transfer-coarse", less(found, "transfer", "coarse"), ">="),
        Line("composed_tuned-transfer", less(found, "composed_tuned", "transfer"), ">"),
        Line("global-composed_tuned", less(found, "global", "composed_tuned"), "<=", 0.025),
        Line("composed_tuned/global-CPU-s", price, "<=", 0.75),
    ]


def of(found: Found, name: str, figure: str) -> list[float]:
    return found[name][figure]["values"]


def less(found: Found, a: str, b: str) -> list[float]:
    return [x - y for x, y in zip(of(found, a, "test"), of(found, b, "test"), strict=True)]


if __name__ == "__main__":
    sys.exit(main())
