"""A server process that outlives the command which started it, and is found again by a later one."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "SCHWARZ_STACK_SERVER"
# The shell becomes the server when it is told to, and ends when whoever started it died before saying so: there is no
# moment at which a server runs that is not written down.
GATE = 'read -r go && exec "$@" </dev/null'
TICK_S = 0.01  # as exactly as Linux knows when a process started


@dataclass(frozen=True)
class Process:
    """A pid, and the time from the machine's boot at which it was started: the system gives a pid to others later."""

    pid: int
    started_s: float

    def running(self) -> bool:
        """Whether this very process lives; one that ended and was not waited for does not."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)  # where it is our own child, as in a test
        try:
            found = psutil.Process(self.pid)
            return self._is(found) and not _ended(found)
        except psutil.NoSuchProcess:
            return False

    def left(self, mark: str) -> list[psutil.Process]:
        """What a process that was killed has left behind of its session: workers, which nobody else would end.

        A pid is not given away while a session has its number. Where all of that session ended, and the number went
        to a stranger's session, the mark in the environment of ours tells them apart.
        """
        with suppress(psutil.NoSuchProcess):
            if not self._is(psutil.Process(self.pid)):
                return []
        return [process for process in psutil.process_iter() if _of(process, self.pid, mark)]

    def end(self, number: signal.Signals, mark: str, wait_s: float) -> None:
        """Ask the process and its group to end; kill what has not after `wait_s`. One that is not ours is not asked."""
        if self.running():
            os.killpg(self.pid, number)
            _wait(lambda: self._gone(mark), wait_s)
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
        for process in self.left(mark):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _wait(lambda: self._gone(mark), wait_s)

    def _gone(self, mark: str) -> bool:
        return not self.running() and not self.left(mark)

    def _is(self, found: psutil.Process) -> bool:
        return abs(_since_boot(found) - self.started_s) < TICK_S / 2


@dataclass(frozen=True)
class Account:
    """Whom a server runs as, with no group of ours; without values: as ourselves."""

    name: str = ""
    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] | None = None


def launch(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    remember: Callable[[Process], None],
    account: Account,
) -> Process:
    """Start a command in a session of its own, with its output in FOLDER/log; it begins once `remember` returned."""
    handle = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", GATE, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=handle,
            stderr=handle,
            cwd=folder,
            env={**environment, MARK: str(folder)},
            start_new_session=True,
            umask=0o077,
            user=account.user,
            group=account.group,
            extra_groups=account.groups,
        )
    finally:
        os.close(handle)
    assert child.stdin is not None
    with child.stdin as gate:
        process = Process(child.pid, _since_boot(psutil.Process(child.pid)))
        remember(process)
        gate.write(b"go\n")
    child.returncode = 0  # it is to outlive us: Python would complain of a child that nobody waits for
    return process


def _since_boot(process: psutil.Process) -> float:
    """Both are read off the same clock, so that setting it changes nothing."""
    return process.create_time() - psutil.boot_time()


def _ended(process: psutil.Process) -> bool:
    """The last thread of it too: while one is left, the ports and files of the process are taken."""
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() < 2


def _of(process: psutil.Process, session: int, mark: str) -> bool:
    try:
        return os.getsid(process.pid) == session and not _ended(process) and process.environ().get(MARK) == mark
    except (psutil.Error, OSError):  # ended meanwhile, or another user's
        return False


def _wait(met: Callable[[], bool], wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while not met():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
