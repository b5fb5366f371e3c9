"""The images under test, built once."""

import base64
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.machine.conftest import MAIN
from tests.machine.container.engine import ROOT, Images
from tests.weights import weights

BASE = os.environ.get("BASE", "python:3.11-slim")


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine. Without one: skipped on a laptop, a failure in CI."""
    found = shutil.which("docker") is not None
    if not found or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        if os.environ.get("CI"):
            pytest.fail("no Docker engine answers")
        pytest.skip("no Docker engine answers: start one, or leave this to CI")


@pytest.fixture(scope="session")
def images(engine: None) -> Images:
    """As `make images` builds them, where pip is told of an index, and git of a remote, with a login in its address."""
    (ROOT / ".whl" / "cpu.key").unlink(missing_ok=True)  # so that pip is asked, even where it was before
    secret = f"planted-{secrets.token_hex(12)}"
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.extra-index-url"],
        capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    with index() as (place, logins):
        indexes = [
            *os.environ.get("PIP_EXTRA_INDEX_URL", "").split(),
            *asked,
            f"http://someone:{secret}@{place}/simple",
        ]
        done = subprocess.run(
            ["make", "-o", ".venv/ready", "images", "TAG=test", f"BASE={BASE}"],  # what tests is set up already
            cwd=ROOT, env={**os.environ, **remote(secret), "PIP_EXTRA_INDEX_URL": " ".join(indexes)},
            capture_output=True, text=True, timeout=1500, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert secret not in done.stdout + done.stderr
    return Images(BASE, "test", secret, tuple(logins))


def remote(secret: str) -> dict[str, str]:
    """What git takes for the address of its remote."""
    address = f"https://someone:{secret}@example.org/schwarz.git"
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "remote.origin.url", "GIT_CONFIG_VALUE_0": address}


@pytest.fixture(scope="session")
def train(images: Images) -> str:
    """The image of the steps."""
    return images.name("train")


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The weights of `tiny`, trained in one process of this machine: of ten networks, and Adam's moments of four."""
    folder = tmp_path_factory.mktemp("reference")
    command = [*MAIN, "run", "tiny", "--runner", "python", "--out", "run"]
    environment = {**os.environ, "SCHWARZ_PROJECT": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = weights(folder / "run")
    assert len(made) == 14
    return made


@contextmanager
def index() -> Iterator[tuple[str, list[str]]]:
    """An index of packages that holds none: its place, and the logins it was sent."""
    logins: list[str] = []

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, _, word = self.headers.get("Authorization", "").partition(" ")
            logins.append(base64.b64decode(word).decode())
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...  # type: ignore[override]  # the test's output is no access log

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", logins
        server.shutdown()
        thread.join()
