"""Waiting for what another process does, not for ever."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 120


def until(
    met: Callable[[], bool],
    process: "subprocess.Popen[Any] | None" = None,
    every_s: float = 0.02,
    limit_s: float = LIMIT_S,
) -> None:
    """As long as the process goes on that is to bring it about."""
    limit = time.monotonic() + limit_s
    while not met():
        assert time.monotonic() < limit, "it did not happen"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(every_s)
