"""`python -m schwarz.tracking RUN`: sends the journal of a run to MLflow while the pipeline writes it.

It ends when its stdin does: everything is sent, every run ended. A server that is away, slow or hung is tried again
and again until then; after that once, which takes at most 5 s (a request that hangs LIVE_S, a new try 2 s), and a note
in the journal says how to send the rest.
"""

import gc
import os
import select
import signal
import sys
from pathlib import Path

from schwarz.errors import DONE, FAILED, SchwarzError
from schwarz.journal import Journal
from schwarz.runs import open_run
from schwarz.tracking.ledger import Ledger
from schwarz.tracking.sender import STEP, Sender
from schwarz.tracking.server import LIVE_S, Unreachable, default_uri, reachable, shown
from schwarz.tracking.sync import sending
from schwarz.tracking.tracked import Tracked, of_run

POLL_S, RETRY_S = 1.0, 30.0  # how often the journal is read; the longest wait between two tries


def main(folder: Path) -> int:
    """Send until stdin ends; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the pipeline, which ends our stdin: then we finish
    run, uri = of_run(open_run(folder)), default_uri(Path.cwd())
    with sending(run):
        Ledger(run.path, uri).save()  # `sync` has to know where, even when nothing gets there now
        try:
            _follow(run, uri)
        except SchwarzError as fault:
            text = f"{fault}. The metrics are kept: `schwarz track sync {run.path}` sends them."
            Journal(run.journal / f"{STEP}.jsonl", STEP).write("note", text=text)
            return FAILED
    return DONE


def _follow(run: Tracked, uri: str) -> None:
    sender, wait_s, ended = None, 0.0, False
    while True:
        ended = ended or _stdin_ended(wait_s)
        known = sender is not None
        try:
            sender = sender or _reach(run, uri)
            sender.send()
            wait_s = POLL_S
            if ended:
                sender.close()
                return
        except Unreachable:
            if ended and not known:
                raise
            sender, wait_s = None, min(2 * max(wait_s, POLL_S), RETRY_S)


def _reach(run: Tracked, uri: str) -> Sender:
    if reason := reachable(uri):  # a cheap question with no consequences, before anything is made at the server
        raise Unreachable(f"MLflow at {shown(uri)} does not answer ({reason})")
    gc.disable()  # what mlflow imports and makes stays: to look through it for garbage takes a fifth of all CPU-seconds
    try:
        sender = Sender(run, uri, LIVE_S)
        gc.freeze()  # nor later, nor at the end
        return sender
    finally:
        gc.enable()


def _stdin_ended(wait_s: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
