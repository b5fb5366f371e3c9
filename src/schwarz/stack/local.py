"""The stack of one folder: object store, database, tracking server; started in this order, ended in the other."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from schwarz.errors import SchwarzError, WrongInput
from schwarz.locks import Busy, locked
from schwarz.runs import project_root
from schwarz.shell import command
from schwarz.stack.kept import make_private, read_values, write_private, write_values
from schwarz.stack.postgres import Postgres
from schwarz.stack.seaweed import BUCKET, Seaweed
from schwarz.stack.server import Server
from schwarz.stack.tracking_server import TrackingServer

POSTGRES, SQLITE = "postgres", "sqlite"
NEEDED_BYTES = 300_000_000
OURS = {"lock", "state.json", "seaweed", "postgres", "mlflow"}
"""What lies in the folder of a stack."""


@dataclass(frozen=True)
class Standing:
    """How a server stands: `answers`, `silent` (it runs, and `reason` says why that is not enough), or `stopped`."""

    name: str
    state: str
    address: str
    process: int | None
    log: str
    reason: str | None


class Stack:
    """Real servers on loopback with their data and secrets in one folder, which only its owner may enter."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()
        self.seaweed = Seaweed(self.folder / "seaweed")
        self.postgres = Postgres(self.folder / "postgres")

    @property
    def servers(self) -> tuple[Server, ...]:
        """In the order in which they are started; none before the first `up`."""
        database = self._database()
        if database is None:
            return ()
        tracking = self.tracking
        return (self.seaweed, self.postgres, tracking) if database == POSTGRES else (self.seaweed, tracking)

    @property
    def tracking(self) -> TrackingServer:
        """MLflow's server, on the database that was chosen at the first `up`."""
        database = self.postgres if self._database() == POSTGRES else None
        return TrackingServer(self.folder / "mlflow", self.seaweed, database)

    def up(self, say: Callable[[str], None]) -> None:
        """Return once all answer. Where one cannot be had, those that this call started are ended again."""
        if self.folder.is_dir() and {path.name for path in self.folder.glob("[!.]*")} - OURS:
            raise WrongInput(f"{self.folder}: holds what is no stack. Name an empty folder, or a new one.")
        make_private(self.folder)
        self._has_room()
        with self._alone():
            write_private(self.folder / ".gitignore", "*\n")
            if self._database() is None:
                self._choose_database(say)
            begun: list[Server] = []
            try:
                for server in self.servers:
                    if server.process is None:
                        begun.append(server)
                    server.start(say)
            except BaseException:
                for server in reversed(begun):
                    with suppress(OSError):  # a full disk, on which it cannot be written down
                        server.stop()
                raise

    def down(self, say: Callable[[str], None]) -> None:
        """End the servers of this folder, and nothing else; what they hold stays."""
        if self._database() is None:
            return
        with self._alone():
            for server in reversed(self.servers):
                if server.process:
                    say(f"ending {server.name}")
                server.stop()

    def standings(self) -> list[Standing]:
        """How each server stands; none before the first `up`."""
        return [_standing(server) for server in self.servers]

    def environment(self) -> dict[str, str]:
        """What a client needs to use the stack; refused when one of its servers does not run, or was not waited for."""
        idle = [server.name for server in self.servers if not (server.process and server.has_answered)]
        if idle or not self.servers:
            lacking = f"not up: {', '.join(idle)}" if idle else "there is no stack"
            raise WrongInput(f"{self.folder}: {lacking}. `{self.command('up')}` starts what does not run.")
        own = {"SCHWARZ_STORE": f"s3://{BUCKET}/store", "SCHWARZ_REMOTE": f"s3://{BUCKET}/dvc"}
        return {**self.seaweed.environment, **self.tracking.environment, **own}

    def command(self, word: str) -> str:
        """`schwarz stack WORD` for this very stack."""
        return command("stack", word, *(() if self.folder == folder_of(project_root()) else ("--folder", self.folder)))

    def _has_room(self) -> None:
        room = shutil.disk_usage(self.folder).free
        if room < NEEDED_BYTES and not all(server.process for server in self.servers or [self.seaweed]):
            raise SchwarzError(
                f"{self.folder}: {room / 1e6:.0f} MB are free on its disk, {NEEDED_BYTES / 1e6:.0f} MB are needed. "
                f"Free some, or put the stack on another disk: `{command('stack', 'up', '--folder', 'FOLDER')}`."
            )

    def _database(self) -> str | None:
        return read_values(self.folder / "state.json").get("database")

    def _choose_database(self, say: Callable[[str], None]) -> None:
        reason = self.postgres.missing()
        if reason:
            say(f"MLflow keeps its runs in SQLite. PostgreSQL is not used: {reason}")
        write_values(self.folder / "state.json", {"database": SQLITE if reason else POSTGRES})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = self.folder / "lock"
        lock.touch(mode=0o600)
        try:
            with locked(lock, wait=False):
                yield
        except Busy as busy:
            raise SchwarzError(
                f"{self.folder}: {busy.who} is starting or ending this stack, {busy.since}. Try again when it is done."
            ) from None


def _standing(server: Server) -> Standing:
    process = server.process
    reason = server.fault() if process else None
    state = "stopped" if process is None else "silent" if reason else "answers"
    return Standing(server.name, state, server.address, process and process.pid, str(server.log), reason)


def folder_of(checkout: Path) -> Path:
    """Where the stack of a checkout lies: $SCHWARZ_STACK, else `.stack` in it."""
    return Path(os.environ.get("SCHWARZ_STACK") or checkout / ".stack").absolute()


def environment(checkout: Path) -> dict[str, str]:
    """The environment in which a run uses the stack of a checkout: AWS_*, MLFLOW_*, SCHWARZ_STORE, SCHWARZ_REMOTE."""
    return Stack(folder_of(checkout)).environment()
