"""A step in a pod: it only writes its journal. A process beside it (`schwarz.tracking.follower`) sends that to MLflow,
a thread copies it to the spool.

A server or a store that is away, slow or hung costs the step nothing while it works, and LAST_S at most at its end;
what was not sent by then is in the spool.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from schwarz.errors import SchwarzError
from schwarz.tracking.ledger import is_sent, marker
from schwarz.tracking.spool import Spool
from schwarz.tracking.tracked import IDENTITY, Tracked

LAST_S, OPENING_S = 0.5, 0.9
"""How long a step waits for what is left to be sent, whatever the server does; and one that is alone."""
COPIED_S = 10.0
"""How long for the last copy in the store, where the server has not got it all."""
FIRST_COPY_S = 1.0  # a short step copies once, at its end
COPY_S, COPY_MOST_S, COPY_SHARE = 10.0, 60.0, 20  # between two copies: a 20th of the step's time, within these


@contextmanager
def beside(run: Tracked, spool: Spool | None, *, alone: bool = False) -> Iterator[None]:
    """Send what is written to the run's journal meanwhile, and copy it to the spool. `alone`: no other pod of the run
    sends anything now, so that this step may open the parent; `begin` is such a step."""
    end = _thread(run) if alone else _process(run)
    copier = Copier(run, spool) if spool else None
    if copier:
        copier.start()
    try:
        yield
    finally:
        limit = time.monotonic() + (OPENING_S if alone else LAST_S)
        if copier:
            copier.ended.set()
        end(limit)
        if copier:
            copier.sent.set()
            if not is_sent(run.path):
                copier.copied_all.wait(COPIED_S)
            copier.join(max(0.0, limit - time.monotonic()))


Ending = Callable[[float], None]
"""Says that the step has ended, and waits for what follows it, until the limit."""


def _process(run: Tracked) -> Ending:
    """A process takes nothing of the step's own, and sends the rest of a step that is killed."""
    command = [sys.executable, "-m", "schwarz.tracking.follower", str(run.path), run.place]
    follower = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # Ctrl-C is not for it

    def end(limit: float) -> None:
        assert follower.stdin
        follower.stdin.close()
        try:
            follower.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            follower.kill()
            follower.wait()

    return end


def _thread(run: Tracked) -> Ending:
    """A thread is there at once: `begin` may be over before a process has started."""
    from schwarz.tracking.follower import follow

    ended = Event()
    follower = Thread(target=follow, args=(run, True, ended.wait), daemon=True)
    follower.start()

    def end(limit: float) -> None:
        ended.set()
        follower.join(max(0.0, limit - time.monotonic()))

    return end


class Copier(Thread):
    """Copies the journal to the spool while it grows; once more when the step has `ended`; and when the follower has
    `sent` what it could, how much that is."""

    def __init__(self, run: Tracked, spool: Spool) -> None:
        super().__init__(daemon=True)
        self.tracked, self.spool = run, spool
        self.ended, self.copied_all, self.sent = Event(), Event(), Event()
        self.copied: dict[Path, int] = {}
        self.told = False

    def run(self) -> None:
        began, wait_s = time.monotonic(), FIRST_COPY_S
        while not self.ended.wait(wait_s):
            self._try()
            wait_s = min(max(COPY_S, (time.monotonic() - began) / COPY_SHARE), COPY_MOST_S)
        whole = self._try()
        self.copied_all.set()
        if whole:
            self.sent.wait()
            with suppress(SchwarzError, OSError):  # without it all of the journal is sent again, which changes nothing
                self._mark()

    def _try(self) -> bool:
        try:
            self._copy()
        except (SchwarzError, OSError) as fault:
            if not self.told:
                print(f"The journal is not copied to the spool: {fault}", file=sys.stderr, flush=True)
            self.told = True
            return False
        return True

    def _copy(self) -> None:
        for path in self.tracked.journal.glob("*.jsonl"):
            content = path.read_bytes()
            if len(content) == self.copied.get(path):
                continue
            if not self.copied:
                self.spool.keep(self.tracked, self.tracked.path / IDENTITY)
            snapshot = self.tracked.path / "copy"  # the journal itself may grow meanwhile
            snapshot.write_bytes(content[: content.rfind(b"\n") + 1])
            self.spool.put(self.tracked.name_of(path), snapshot)
            self.copied[path] = len(content)

    def _mark(self) -> None:
        ledger = self.tracked.journal / "sent.json"
        if ledger.exists():
            for path in self.copied:
                self.spool.put(self.tracked.name_of(marker(path)), ledger)
