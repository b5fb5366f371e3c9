"""Trying again where nobody makes the pod anew: inside a loop of the graph KFP ignores `set_retry`."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from schwarz.errors import WRONG_INPUT


@contextmanager
def again() -> Iterator[None]:
    """Around a step: after a fault that may pass, and where further tries were given, this process begins anew with its
    own command line. A training then goes on from its last checkpoint."""
    try:
        yield
    except Exception as fault:
        tries, wait_s = int(os.environ.get("SCHWARZ_RETRIES", "0")), float(os.environ.get("SCHWARZ_RETRY_WAIT_S", "0"))
        if tries < 1 or not _may_pass(fault):
            raise
        told = f"{type(fault).__name__}: {fault}\nTried again in {wait_s:g} s; {tries - 1} tries are then left."
        print(told, file=sys.stderr, flush=True)
        time.sleep(wait_s)
        os.environ |= {"SCHWARZ_RETRIES": str(tries - 1), "SCHWARZ_RETRY_WAIT_S": str(2 * wait_s)}
        sys.stdout.flush()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # in this process a CUDA device that failed stays so


def _may_pass(fault: Exception) -> bool:
    """Whether the same step may get further another time: not where something is configured wrongly."""
    return getattr(fault, "resumable", True) and getattr(fault, "status", None) != WRONG_INPUT
