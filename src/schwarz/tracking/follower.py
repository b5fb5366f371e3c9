"""Beside a step in a pod: send its journal to MLflow until the step has ended, then the rest.

`python -m schwarz.tracking.follower FOLDER SPOOL` does it for the journal in FOLDER until stdin ends; SPOOL is where
what is not sent can be had later. It imports neither mlflow nor numpy: what it costs in CPU-seconds is measured by
benchmarks/tracking.py.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from schwarz.tracking.ledger import Ledger
from schwarz.tracking.runs import NoParent
from schwarz.tracking.sender import Sender
from schwarz.tracking.server import LIVE_S, Unreachable, reachable, shown
from schwarz.tracking.tracked import Tracked, of_pods

POLL_S = 5.0  # how often the journal is read
RETRY_S, RETRY_MOST_S = 4.0, 30.0  # the first and the longest wait until another try


def follow(run: Tracked, alone: bool, ended_within: Callable[[float], bool]) -> None:
    """Send what is journalled, then the rest, if the last try did not fail. `ended_within`: wait so many seconds for
    the step's end; whether it came."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri is None:
        return  # all is left to the spool
    Ledger(run.path, uri).save()  # whoever sends the rest has to know where, even when nothing gets there now
    sender, wait_s, ended, away = None, 0.0, False, False
    told: set[str] = set()
    while not (ended and away):
        try:
            sender = sender or _reach(run, uri, alone)
            sender.send()
            wait_s, away = POLL_S, False
            if ended:
                return
        except Unreachable as fault:
            if str(fault) not in told and not isinstance(fault, NoParent):
                told.add(str(fault))
                print(f"{fault}. The metrics are kept in {run.place}, and sent later.", file=sys.stderr, flush=True)
            sender, wait_s, away = None, min(2 * wait_s, RETRY_MOST_S) if away else RETRY_S, True
        ended = ended or ended_within(wait_s)


def _reach(run: Tracked, uri: str, alone: bool) -> Sender:
    if reason := reachable(uri):
        raise Unreachable(f"MLflow at {shown(uri)} does not answer ({reason})")
    return Sender(run, uri, LIVE_S, alone=alone)


def _stdin_ended(wait_s: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the step ends our stdin: then we finish
    follow(of_pods(Path(sys.argv[1]), sys.argv[2]), alone=False, ended_within=_stdin_ended)
