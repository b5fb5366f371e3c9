"""Calling the Docker client."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def docker(*arguments: str) -> str:
    """Standard output of a docker command that must succeed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
