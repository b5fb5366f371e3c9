"""A server of the stack: it outlives the command that starts it, is found again, leaves ports that are taken."""

import hashlib
import json
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from schwarz.errors import SchwarzError
from schwarz.stack.kept import make_private, read_values, write_values
from schwarz.stack.ports import free, taken
from schwarz.stack.process import Account, Process, launch

TRIES = 3
PATIENCE_S = 30  # without a word
# All that a server gets of the person's environment: no key, no proxy, no other server's address.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Launch:
    """What is run, and the environment it gets beside INHERITED: here, never in the command, stand the secrets."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    def digest(self) -> str:
        whole = json.dumps([self.command, sorted(self.environment.items())])
        return hashlib.sha256(whole.encode()).hexdigest()


class Server(ABC):
    """One server in a folder of its own: `state.json`, `secrets.json`, `log` and its data.

    Without `ports` free ones are chosen and remembered; they change only when another program has taken them.
    Given `ports` are used as they are.
    """

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    wait_s: ClassVar[float] = 60
    stop_s: ClassVar[float] = 20
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    account = Account()

    def __init__(self, folder: Path, ports: Mapping[str, int] | None = None) -> None:
        self.folder = Path(folder).absolute()
        self._given = ports

    @abstractmethod
    def launch(self) -> Launch:
        """What to run."""

    @abstractmethod
    def fault(self) -> str | None:
        """Why it does not answer as it should; None when it does. Asked by a real request, with its own login."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it answers."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """What its client needs; secrets among it."""

    @property
    def ports(self) -> dict[str, int]:
        """The port of each purpose."""
        if self._given is not None:
            return dict(self._given)
        kept = self._kept().get("ports")
        if kept is None:
            kept = self._choose()
        return kept

    @property
    def log(self) -> Path:
        """What it prints, since its last start."""
        return self.folder / "log"

    @property
    def process(self) -> Process | None:
        """Its process, if it runs."""
        kept = self._kept().get("process")
        process = Process(**kept) if kept else None
        return process if process and process.running() else None

    @property
    def has_answered(self) -> bool:
        """Whether it once did as it should, so that what it made is whole."""
        return self._kept().get("answered", False)

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Return once it answers. One that answers already is left alone."""
        make_private(self.folder)
        if self.process and self._kept().get("launched") != self.launch().digest():
            say(f"{self.name} must be started again: what it uses has moved")
            self.stop()
        if self.process is None:
            say(f"starting {self.name}")
            self._begin(say)
        self._wait(say)
        self._keep(answered=True)

    def stop(self) -> None:
        """End it as it wants to be ended, what it has written being safe; what does not end is killed."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    @abstractmethod
    def prepare(self) -> None:
        """Make what must be there before it is started."""

    def _begin(self, say: Callable[[str], None]) -> None:
        self._end(signal.SIGKILL)  # workers that outlived it would hold its ports and files
        self.prepare()
        self._leave_taken_ports(say)
        what = self.launch()
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        launch(
            what.command,
            {**inherited, **what.environment},
            self.folder,
            lambda process: self._keep(process=asdict(process), launched=what.digest()),
            self.account,
        )

    def _wait(self, say: Callable[[str], None]) -> None:
        begun, tries, silent_s = time.monotonic(), 1, PATIENCE_S
        while (reason := self.fault()) or self.process is None:  # what answers may be another program
            waited_s = time.monotonic() - begun
            if self.process is None and tries < TRIES and self._given is None and any(map(taken, self.ports.values())):
                tries += 1  # another program was quicker
                self._begin(say)
            elif self.process is None:
                raise SchwarzError(f"{self.name} ended as soon as it was started: {self._last_words()}. {self._see()}")
            elif waited_s > self.wait_s:
                text = f"{self.name} does not answer at {self.address} within {self.wait_s:g} s: {reason}"
                raise SchwarzError(f"{text}. {self._see()} `schwarz stack down` ends it.")
            elif waited_s > silent_s:
                silent_s = self.wait_s
                say(f"{self.name} does not answer yet. {self._see()}")
            time.sleep(0.1)

    def _leave_taken_ports(self, say: Callable[[str], None]) -> None:
        lost = [port for port in self.ports.values() if taken(port)]
        if not lost:
            return
        numbers = ", ".join(map(str, lost))
        if self._given is not None:
            raise SchwarzError(f"{self.name}: another program listens on port {numbers}. End it, or give another port.")
        old = self.address
        self._choose()
        say(f"another program has taken port {numbers}: {self.name} moves from {old} to {self.address}")

    def _choose(self) -> dict[str, int]:
        make_private(self.folder)
        ports = dict(zip(self.port_names, free(len(self.port_names)), strict=True))
        self._keep(ports=ports)
        return ports

    def _end(self, number: signal.Signals) -> None:
        kept = self._kept().get("process")
        if kept:
            Process(**kept).end(number, str(self.folder), self.stop_s)
            self._keep(process=None)

    def _kept(self) -> dict:
        return read_values(self.folder / "state.json")

    def _keep(self, **values: object) -> None:
        write_values(self.folder / "state.json", {**self._kept(), **values})

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][-300:].rstrip(".") if said else "it said nothing"

    def _see(self) -> str:
        return f"Its log is {self.log}."
