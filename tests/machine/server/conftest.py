"""Servers of one test alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schwarz.stack import Seaweed
from tests.machine.conftest import installed


@pytest.fixture
def seaweed(tmp_path: Path) -> Iterator[Seaweed]:
    """An object store of this test alone, not started yet; the test may kill it."""
    installed()
    server = Seaweed(tmp_path / "seaweed")
    yield server
    server.kill()
