"""Real servers for the tests of these folders: started once, for MLflow's takes 13 CPU-seconds."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from schwarz.stack import Stack

Alone = Callable[..., "subprocess.CompletedProcess[str]"]
MAIN = (sys.executable, "-c", "from schwarz.cli import main; main()")


def installed() -> None:
    """Without the programs: skipped on a laptop, a failure in CI."""
    weed = Path(sys.executable).parent / "weed"
    if not (weed.exists() or shutil.which("weed")) or find_spec("flask_wtf") is None or find_spec("boto3") is None:
        reason = "the extra `stack` is not installed: `make .venv/stack` installs it"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="session")
def room() -> Iterator[Path]:
    """A folder that another user may pass through: PostgreSQL does not run as root, and pytest's folders are closed."""
    installed()
    folder = Path(tempfile.mkdtemp(prefix="schwarz-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def schwarz_alone(room: Path) -> Alone:
    """Run one command line in a process of its own, in the folder of the session's stack."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "SCHWARZ_STACK": str(room / "servers")}
        return subprocess.run(
            [*MAIN, *arguments], capture_output=True, text=True, cwd=room, env=environment, timeout=900, check=False
        )

    return run


@pytest.fixture(scope="session")
def first_up(schwarz_alone: Alone) -> "Iterator[subprocess.CompletedProcess[str]]":
    """What the first `schwarz stack up` of the session said; all is ended after the last test."""
    try:
        yield schwarz_alone("stack", "up")
    finally:
        schwarz_alone("stack", "down")


@pytest.fixture(scope="session")
def stack(room: Path, first_up: "subprocess.CompletedProcess[str]") -> Stack:
    """A stack that answers: object store, MLflow with a login, PostgreSQL where it can be used. Leave it running."""
    assert first_up.returncode == 0, first_up.stderr
    return Stack(room / "servers")
