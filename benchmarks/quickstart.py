"""What `make run` takes, and how quick the command line is: `python -m benchmarks.quickstart [PRESET]`.

CPU-seconds are those of the whole process tree, the command line and the sender to MLflow included. With --containers,
which wants a Docker engine, `make images` and the extra `stack`: what the same run takes with a container for each step
and on real servers, in CPU-seconds of the whole machine, its engine, servers and kernel included. It should do nothing
else meanwhile.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.lines import Line, report
from schwarz.files import read_json

SCHWARZ = [sys.executable, "-c", "from schwarz.cli import main; main()"]
ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="quickstart")
    parser.add_argument("--containers", action="store_true", help="instead: containers and servers beside processes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL does not run as root
        return report((contained if given.containers else usual)(given.preset, folder))


def usual(preset: str, folder: str) -> list[Line]:
    """The run itself, the same again, and what runs nothing."""
    run = Path(folder) / "run"
    taken = cpu_s(["run", preset, "--out", str(run)], folder)
    again = [cpu_s(["run", preset, "--out", str(run)], folder) for _ in range(ROUNDS)]
    helped = [cpu_s(["run", "--help"], folder) for _ in range(ROUNDS)]
    wrong = [cpu_s(["run", preset, "--local.epoch", "3"], folder, status=2) for _ in range(ROUNDS)]
    compiled = [cpu_s(["compile", preset, "-o", f"{folder}/train.yaml"], folder) for _ in range(ROUNDS)]
    spent = read_json(run / "results.json")["run"]
    return [
        Line("run-CPU-s", [taken], "<=", 300),
        Line("run-memory-GB", [spent["peak_memory_mb"] / 1000], "<=", 4),
        Line("run-wall-s", [spent["wall_s"]]),
        Line("run-again-CPU-s", again, "<=", 2),
        Line("help-CPU-s", helped, "<=", 0.3),
        Line("usage-error-CPU-s", wrong, "<=", 0.3),
        Line("compile-CPU-s", compiled, "<=", 3),
    ]


def contained(preset: str, folder: str) -> list[Line]:
    """The run in processes, then in containers on the stack, which is up before."""
    os.environ["SCHWARZ_STACK"] = f"{folder}/servers"
    cpu_s(["stack", "up"], folder)
    try:
        processes = machine_s(["run", preset, "--out", "processes"], folder)
        containers = machine_s(["run", preset, "--out", "containers", "--runner", "docker", "--stack"], folder)
    finally:
        cpu_s(["stack", "down"], folder)
    return [
        Line("processes-CPU-s", [processes]),
        Line("containers-and-servers-CPU-s", [containers]),
        Line("containers-over-processes", [containers / processes], "<=", 1.5),
    ]


def cpu_s(arguments: list[str], folder: str, status: int = 0) -> float:
    """CPU-seconds of one call and all its children, which must end with `status`."""
    before = _children_s()
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run([*SCHWARZ, *arguments], cwd=folder, capture_output=True, env=environment, check=False)
    assert done.returncode == status, done.stderr.decode()
    return _children_s() - before


def machine_s(arguments: list[str], folder: str) -> float:
    """CPU-seconds of the whole machine while one call runs."""
    before = _busy_s()
    cpu_s(arguments, folder)
    return _busy_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _busy_s() -> float:
    """Since it was started. Guests are counted among the others."""
    spent = psutil.cpu_times()._asdict()
    return sum(seconds for name, seconds in spent.items() if not name.startswith(("idle", "iowait", "steal", "guest")))


if __name__ == "__main__":
    sys.exit(main())
