"""The processes of a run: the pipeline, and the sender of its metrics. Both die with this one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from schwarz.cli.board import Board
from schwarz.cli.display import Screen
from schwarz.journal import Tail

POLL_S = 0.15
SENDER_S = 30.0  # how long the sender may take for what is left once the pipeline has ended
SENDER_END_S = 5.0  # and after Ctrl-C or a failure
ENDING = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0))


class Stopped(BaseException):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and a closed terminal raise Stopped; signals that were ignored stay so."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    wanted = [s for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Child:
    """A process that leads a group of its own and ends it when its stdin closes, as it does when we are killed."""

    def __init__(self, command: list[str], log: Path, run: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "SCHWARZ_RUN": str(run)}
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=sink, stderr=sink, start_new_session=True, env=environment
            )

    def status(self) -> int | None:
        """Its exit status, None while it lives."""
        return self.process.poll()

    def finish(self, patience_s: float) -> bool:
        """Tell it by its stdin that there is no more to come; whether it ended in time."""
        self.release()
        try:
            self.process.wait(patience_s)
        except (subprocess.TimeoutExpired, Stopped):
            return False
        return True

    def release(self) -> None:
        """Close the pipe to its stdin."""
        if self.process.stdin:
            self.process.stdin.close()

    def stop(self) -> None:
        """End the whole group: asked first, then killed; a second signal to us skips the asking."""
        for number, patience_s in ENDING:
            self._signal(number)
            try:
                self.process.wait(patience_s)
                break
            except (subprocess.TimeoutExpired, Stopped):
                continue
        self._signal(signal.SIGKILL)  # what is left of the group when its leader is gone
        self.process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def pipeline_command(run: Path, runner: str) -> list[str]:
    """The command that executes the pipeline of a run folder."""
    return [sys.executable, "-m", "pipelines.execute", str(run), "--runner", runner]


def sender_command(run: Path) -> list[str]:
    """The command that sends the journal of a run to MLflow."""
    return [sys.executable, "-m", "schwarz.tracking", str(run)]


def follow(run: Path, work: list[str], send: list[str] | None, board: Board, screen: Screen) -> int:
    """Run the pipeline to its end and show its journal meanwhile; its exit status, negative for a signal."""
    tail = Tail(run / "logs" / "journal")
    tail.poll()  # what earlier attempts wrote
    with stoppable():
        pipeline = sender = None
        try:
            pipeline = Child(work, run / "logs" / "pipeline.log", run)
            sender = Child(send, run / "logs" / "tracking.log", run) if send else None
            status = _watch(pipeline, tail, screen)
            if sender and not sender.finish(SENDER_S):
                board.notes.append(f"metrics are still to be sent: `schwarz track sync {run}` sends them")
            screen.show(tail.poll(), time.time())
            return status
        finally:
            if pipeline:
                if pipeline.status() != 0:
                    pipeline.stop()
                pipeline.release()
            if sender and not sender.finish(SENDER_END_S):
                sender.stop()
            screen.close()


def _watch(child: Child, tail: Tail, screen: Screen) -> int:
    while (status := child.status()) is None:
        screen.show(tail.poll(), time.time())
        time.sleep(POLL_S)
    screen.show(tail.poll(), time.time())
    return status
