"""Limits of CPU time are of a machine that has nothing else to do: another one, or a busy one, is slower for all."""

import subprocess
import sys

WORK = "import asyncio, concurrent.futures, ctypes, decimal, email.mime.multipart, http.server, sqlite3, unittest.mock"
USUAL_S = 0.11
"""What Python takes for it on the machine that the limits were found on."""


def slowness() -> float:
    """How many times as long Python takes to load some of its own library at the moment; 1 where it is quicker."""
    code = f"{WORK}; import time; print(time.process_time())"
    took = float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    return max(1.0, took / USUAL_S)
