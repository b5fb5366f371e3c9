"""Whether accuracy pays for speed: the sample preset in float32 and in bfloat16, over seeds.

Two studies, the first of them that of `benchmarks.seeds`; a finished run is not repeated. They agree where the
difference of the mean test accuracies is within the spread of the seeds.
"""

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev

from benchmarks.lines import Line, report
from benchmarks.seeds import Found, of, studied

SECTIONS = ("local", "coherent", "transfer", "global", "tune")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=10)
    parser.add_argument("--full", type=Path, default=Path("runs/seeds"), help="where the float32 runs of `seeds` lie")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/bfloat16"))
    given = parser.parse_args()
    half = [word for section in SECTIONS for word in (f"--{section}.precision", "bfloat16")]
    first = ["--seed", str(given.first)]
    full = studied("quickstart", given.seeds, given.full, *first)
    fast = studied("quickstart", given.seeds, given.out, *first, *half)
    print()
    return report([line for name in full for line in lines(name, full, fast)])


def lines(name: str, one: Found, other: Found) -> list[Line]:
    """Of one strategy: the difference beside the spread that it may have, and what it saves."""
    full, half = of(one, name, "test"), of(other, name, "test")
    apart = abs(mean(full) - mean(half))
    costs = [of(found, name, "training_cpu_s") for found in (one, other)]
    saved = [a / b for a, b in zip(*costs, strict=True)]
    return [
        Line(f"{name}-difference", [apart], "<=", max(stdev(full), stdev(half))),
        Line(f"{name}-float32-over-bfloat16-CPU-s", saved),
    ]


if __name__ == "__main__":
    sys.exit(main())
