"""What `make run` takes, and how quick the command line is: `python -m benchmarks.quickstart [PRESET]`.

CPU-seconds are those of the whole process tree, the command line and the sender to MLflow included.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.lines import Line, report
from schwarz.files import read_json

SCHWARZ = [sys.executable, "-c", "from schwarz.cli import main; main()"]
ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="quickstart")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        taken = cpu_s(["run", given.preset, "--out", str(run)], folder)
        again = [cpu_s(["run", given.preset, "--out", str(run)], folder) for _ in range(ROUNDS)]
        helped = [cpu_s(["run", "--help"], folder) for _ in range(ROUNDS)]
        wrong = [cpu_s(["run", given.preset, "--local.epoch", "3"], folder, status=2) for _ in range(ROUNDS)]
        compiled = [cpu_s(["compile", given.preset, "-o", f"{folder}/train.yaml"], folder) for _ in range(ROUNDS)]
        spent = read_json(run / "results.json")["run"]
    return report([
        Line("run-CPU-s", [taken], "<=", 300),
        Line("run-memory-GB", [spent["peak_memory_mb"] / 1000], "<=", 4),
        Line("run-wall-s", [spent["wall_s"]]),
        Line("run-again-CPU-s", again, "<=", 2),
        Line("help-CPU-s", helped, "<=", 0.3),
        Line("usage-error-CPU-s", wrong, "<=", 0.3),
        Line("compile-CPU-s", compiled, "<=", 3),
    ])  # fmt: skip


def cpu_s(arguments: list[str], folder: str, status: int = 0) -> float:
    """CPU-seconds of one call and all its children, which must end with `status`."""
    before = _children_s()
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run([*SCHWARZ, *arguments], cwd=folder, capture_output=True, env=environment, check=False)
    assert done.returncode == status, done.stderr.decode()
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
