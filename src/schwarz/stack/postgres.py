"""PostgreSQL, where this machine has it: the database in which MLflow keeps its runs."""

import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psutil

from schwarz.errors import SchwarzError
from schwarz.stack.kept import make_private, secret
from schwarz.stack.ports import HOST
from schwarz.stack.process import Account
from schwarz.stack.server import Launch, Server

USER = DATABASE = "schwarz"
BESIDE_PATH = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions", f"--username={USER}")
SETTINGS = ("max_connections=40", "shared_buffers=32MB", "unix_socket_directories=")
QUIET = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
PROTOCOL = 3 << 16
ASKS_FOR_LOGIN = b"R"


class Postgres(Server):
    """The database server of one folder. It refuses to run as root, so that there it runs as `postgres` or `nobody`."""

    name = "PostgreSQL"
    port_names: ClassVar = ("sql",)
    stop_signal = signal.SIGINT  # ends what its clients do; SIGTERM would wait until they leave by themselves

    def __init__(self, folder: Path, ports: Mapping[str, int] | None = None) -> None:
        super().__init__(folder, ports)
        self.account = _account()

    @property
    def address(self) -> str:
        return f"postgresql://{HOST}:{self.ports['sql']}"

    @property
    def environment(self) -> dict[str, str]:
        """What MLflow needs to keep its runs here. The driver is named: SQLAlchemy 2.1 would look for psycopg 3."""
        login = f"{USER}:{secret(self.folder, 'password')}"
        place = f"{HOST}:{self.ports['sql']}/{DATABASE}"
        return {"MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{login}@{place}"}

    def missing(self) -> str | None:
        """Why it cannot be used on this machine; None when it can."""
        found = _programs()
        if not found:
            return "it is not installed"
        if find_spec("psycopg2") is None:
            return "the library psycopg2 is not installed"
        self._admit()
        try:
            self._run("/bin/sh", "-c", 'cd "$0" && "$1" --version', str(self.folder), str(found[max(found)] / "initdb"))
        except (SchwarzError, OSError):
            return f"it may not run as root, and the user {self.account.name!r} may not enter {self.folder}"
        return None

    def launch(self) -> Launch:
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        program = self._bin() / "postgres"
        command = (str(program), "-D", "data", "-h", HOST, "-p", str(self.ports["sql"]), *settings)
        return Launch(command, {"LC_ALL": "C"})

    def prepare(self) -> None:
        self._admit()
        if not (self.folder / "data").exists():
            self._make()
        self._forget_a_stranger()

    def fault(self) -> str | None:
        text = f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
        try:
            with socket.create_connection((HOST, self.ports["sql"]), timeout=5) as line:
                line.sendall(struct.pack("!ii", 8 + len(text), PROTOCOL) + text)
                answer = line.recv(4096)
        except OSError as fault:
            return str(fault)
        return None if answer.startswith(ASKS_FOR_LOGIN) else "it does not ask for a login yet"

    def _make(self) -> None:
        """A new database, whole or not at all: one whose making is cut short is begun anew."""
        for left in self.folder.glob("making-*"):
            shutil.rmtree(left)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=self.folder))  # what made the old ones may still go on
        password = making / "password"
        password.touch(mode=0o600)
        password.write_text(secret(self.folder, "password"), encoding="utf-8")
        if self.account.user and self.account.group:
            for path in (making, password):
                os.chown(path, self.account.user, self.account.group)
        data = making / "data"
        self._run(self._bin() / "initdb", "-D", data, f"--pwfile={password}", *INITDB)
        self._run(self._bin() / "postgres", "--single", "-D", data, "postgres", told=f"CREATE DATABASE {DATABASE}\n")
        data.rename(self.folder / "data")
        shutil.rmtree(making)

    def _run(self, *command: object, told: str = "") -> None:
        done = subprocess.run(
            list(map(str, command)),
            input=told,
            capture_output=True,
            text=True,
            env=QUIET,
            cwd="/",
            check=False,
            user=self.account.user,
            group=self.account.group,
            extra_groups=self.account.groups,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise SchwarzError(f"PostgreSQL: `{Path(str(command[0])).name}` failed: {said[-1] if said else 'no word'}")

    def _bin(self) -> Path:
        """The folder of the programs: of the version that made the data, else the newest."""
        found = _programs()
        version = self.folder / "data" / "PG_VERSION"
        if not version.exists() and found:
            return found[max(found)]
        made_by = int(version.read_text()) if version.exists() else 0
        if made_by not in found:
            raise SchwarzError(
                f"{version.parent}: a database of PostgreSQL {made_by}, which is not installed here. Install it "
                f"(Debian: `apt-get install postgresql-{made_by}`), or move {self.folder.parent} away."
            )
        return found[made_by]

    def _admit(self) -> None:
        """Let the account through the folders of the stack: it may pass, not look."""
        make_private(self.folder)
        if self.account.group:
            for folder in (self.folder.parent, self.folder):
                os.chown(folder, -1, self.account.group)
                folder.chmod(0o710)

    def _forget_a_stranger(self) -> None:
        """Remove the pid file of a server that was killed when its pid is another program's by now: PostgreSQL would
        take that for itself, and not start."""
        file = self.folder / "data" / "postmaster.pid"
        with suppress(FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            if psutil.Process(int(file.read_text().splitlines()[0])).name() != "postgres":
                file.unlink()


def _programs() -> dict[int, Path]:
    """Where the programs of each version are."""
    on_path = shutil.which("initdb")
    folders = {path for pattern in BESIDE_PATH for path in Path("/").glob(pattern.lstrip("/"))}
    folders |= {Path(on_path).resolve().parent} if on_path else set()
    whole = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return {_version(folder): folder for folder in whole}


def _version(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)", said)
    assert found, said
    return int(found[1])


def _account() -> Account:
    for name in ("postgres", "nobody") if os.geteuid() == 0 else ():
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid, ())
    return Account()
