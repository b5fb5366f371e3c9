"""The processes of a run: the pipeline, and the sender of its metrics. Both die with this one."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from schwarz.cli.display import Screen
from schwarz.journal import Event, Tail

POLL_S = 0.15
SENDER_S = 30.0  # how long the sender may take for what is left once the pipeline has ended
SENDER_END_S = 5.0  # and after Ctrl-C or a failure
ENDING = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0))
KILLED_S = 10.0  # the kernel needs a moment for a process with much memory


class Stopped(BaseException):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Signals:
    """Ctrl-C, SIGTERM and a closed terminal: the first raises Stopped, those that follow only say that it is urgent.

    So nothing interrupts the tidying up. A signal that was ignored before stays ignored.
    """

    def __init__(self) -> None:
        self.count = 0

    @property
    def urgent(self) -> bool:
        return self.count > 1

    def __enter__(self) -> "Signals":
        wanted = [s for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._take) for number in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():  # once stopped, one more Ctrl-C must not spoil the last words
            signal.signal(number, signal.SIG_IGN if self.count else handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            raise Stopped(number)


class Child:
    """A process that leads a group of its own and ends it when its stdin closes, as it does when we are killed."""

    def __init__(self, command: list[str], log: Path, run: Path) -> None:
        environment = {**os.environ, "SCHWARZ_RUN": str(run)}
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=sink, stderr=sink, start_new_session=True, env=environment
            )

    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it lives."""
        return self.process.poll()

    def finish(self, patience_s: float, signals: Signals) -> bool:
        """Tell it by its stdin that there is no more to come; whether it ended in time."""
        if self.process.stdin:
            self.process.stdin.close()
        return self._ended(patience_s, signals)

    def stop(self, ending: tuple[tuple[int, float], ...], signals: Signals) -> None:
        """End the whole group: asked first, then killed; when it is urgent, killed at once."""
        for number, patience_s in ending:
            self._signal(number)
            if self._ended(patience_s, signals) or signals.urgent:
                break
        self._signal(signal.SIGKILL)  # what is left of the group, be its leader gone or not
        self.finish(KILLED_S, Signals())

    def _ended(self, patience_s: float, signals: Signals) -> bool:
        limit = time.monotonic() + patience_s
        while self.status() is None and time.monotonic() < limit and not signals.urgent:
            time.sleep(0.02)
        return self.status() is not None

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def pipeline_command(run: Path, runner: str) -> list[str]:
    """The command that executes the pipeline of a run folder."""
    return [sys.executable, "-m", "pipelines.execute", str(run), "--runner", runner]


def sender_command(run: Path) -> list[str]:
    """The command that sends the journal of a run to MLflow."""
    return [sys.executable, "-m", "schwarz.tracking", str(run)]


def follow(run: Path, work: list[str], send: list[str], screen: Screen) -> int:
    """Run the pipeline to its end and show its journal meanwhile; its exit status, negative for a signal."""
    tail = Tail(run / "logs" / "journal")
    tail.poll()  # what earlier attempts wrote
    pipeline = sender = None
    with Signals() as signals:
        try:
            pipeline = Child(work, run / "logs" / "pipeline.log", run)
            sender = Child(send, run / "logs" / "tracking.log", run)
            status = _watch(pipeline, tail, screen)
            if not sender.finish(SENDER_S, signals):
                screen.show([_unsent(run)], time.time())
            screen.show(tail.poll(), time.time())
        except Stopped:
            screen.close()
            print("Ending the run. Ctrl-C again ends it at once.", file=sys.stderr, flush=True)
            raise
        finally:
            if pipeline and (pipeline.status() != 0 or not pipeline.finish(0.0, signals)):
                pipeline.stop(ENDING, signals)
            if sender and not sender.finish(SENDER_END_S, signals):
                sender.stop(ENDING[1:], signals)  # it does not listen to Ctrl-C
            screen.close()
    return status


def _unsent(run: Path) -> Event:
    text = f"Not all metrics were sent: `schwarz track sync {run}` sends them."
    return {"t": time.time(), "step": "tracking", "part": "", "event": "note", "text": text}


def _watch(child: Child, tail: Tail, screen: Screen) -> int:
    while (status := child.status()) is None:
        screen.show(tail.poll(), time.time())
        time.sleep(POLL_S)
    screen.show(tail.poll(), time.time())
    return status
