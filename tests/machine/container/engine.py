"""Calling the Docker client."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
TARGETS = ("serve", "mlflow", "train")
ANYBODY = "--user=23456:23456"  # who is in no list of users, and owns nothing
CAGE = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", ANYBODY)
ALONE = (*CAGE, "--network=none")
STRICT = ("--rm", "--tmpfs=/tmp", *ALONE)


@dataclass(frozen=True)
class Images:
    """The images as `make images` built them, told of an index that wants a login."""

    base: str
    tag: str
    secret: str
    logins: tuple[str, ...]
    """What the index was sent as a login."""

    def name(self, target: str) -> str:
        return f"schwarz/{'python-train' if target == 'train' else target}:{self.tag}"


def docker(*arguments: str, timeout_s: int = 120) -> str:
    """Standard output of a docker command that must succeed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def about(image: str) -> dict[str, Any]:
    """What the engine knows of an image."""
    return json.loads(docker("image", "inspect", image))[0]


def python(image: str, code: str, *arguments: str) -> str:
    """What a piece of Python prints in a container that may do as little as possible."""
    return docker("run", *STRICT, "--entrypoint=python", image, "-c", code, *arguments)


@contextmanager
def container(*arguments: str) -> Iterator[str]:
    """The id of a container that runs until the block ends."""
    identity = docker("run", "--detach", *arguments).strip()
    try:
        yield identity
    finally:
        docker("rm", "--force", identity)
