"""The image under test, built once."""

import os
import shutil
import subprocess

import pytest

from tests.machine.container.engine import ROOT


@pytest.fixture(scope="session")
def image() -> str:
    """The image as `make images` builds it. Without an engine: skipped on a laptop, a failure in CI."""
    found = shutil.which("docker") is not None
    if not found or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        if os.environ.get("CI"):
            pytest.fail("no Docker engine answers")
        pytest.skip("no Docker engine answers: start one, or leave this to CI")
    command = ["make", "images", "TAG=test"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return "schwarz/python-train:test"
