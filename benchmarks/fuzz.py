"""Requests at random for `schwarz serve`, right and wrong: each is answered as onnxruntime does, or refused; no growth.

`python -m benchmarks.fuzz [SECONDS] [--seed N]`
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.lines import Line, report
from tests.machine.serving.fuzz.hunting import hunted

SECONDS, GROWN_MB = 300, 16


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz")
    parser.add_argument("seconds", type=float, nargs="?", default=SECONDS)
    parser.add_argument("--seed", type=int, help="begin with this one: what a failure says")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = hunted(Path(folder), given.seconds, given.seed)
    statuses = [Line(f"answers-{status}", [count]) for status, count in sorted(found.statuses.items())]
    return report([Line("talks", [found.talks]), *statuses, Line("grown-MB", [found.grown_mb], "<=", GROWN_MB)])


if __name__ == "__main__":
    sys.exit(main())
