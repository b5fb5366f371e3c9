"""Other servers of the same protocol, each in an environment of its own, with the settings that make it quickest."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.unit.serving.served import Served
from tests.waiting import until

HERE = Path(__file__).parent
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Peer:
    """A server that others made."""

    name: str
    command: Callable[[Path, Path, int], list[str]]
    """What starts it: of the model's file, a folder for its settings, and its port."""
    environment: str
    """Whose requirements stand beside this file."""
    tuned: bool = False
    """Whether it has more than its own package brings."""

    def python(self, cache: Path) -> Path:
        """The interpreter of its environment, which is made where it is not there or is out of date."""
        folder, wanted = cache / self.environment, HERE / f"{self.environment}.txt"
        found, done = folder / "bin" / "python", folder / "requirements.txt"
        if not done.exists() or done.read_bytes() != wanted.read_bytes():
            print(f"Installing {self.name} into {folder}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run(
                [found, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", wanted], check=True
            )
            done.write_bytes(wanted.read_bytes())
        return found.absolute()

    @contextmanager
    def served(self, model: Path, cache: Path, scratch: Path) -> Iterator[Served]:
        """Serve a file under its stem until the block ends."""
        folder, port = scratch / f"{self.name}-{model.stem}", free_port()
        folder.mkdir()
        command = [self.python(cache), *self.command(model.absolute(), folder, port)]
        with (folder / "log").open("w") as log:
            environment = {**os.environ, "PYTHONPATH": str(HERE)}
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, text=True)
            try:
                one = Served(process, HOST, port)
                until(lambda: ready(one, model.stem), process)
                yield one
            except AssertionError as fault:
                fault.add_note(f"{self.name} says:\n{(folder / 'log').read_text()[-2000:]}")
                raise
            finally:
                process.terminate()
                process.wait(timeout=60)


def _kserve(model: Path, folder: Path, port: int) -> list[str]:
    return [str(HERE / "with_kserve.py"), str(model), model.stem, str(port)]


def _mlserver(model: Path, folder: Path, port: int, before: str = "") -> list[str]:
    """No worker beside the one process, which would be handed every request; neither metrics nor compression."""
    own = {"http_port": port, "grpc_port": free_port(), "host": HOST, "parallel_workers": 0}
    own |= {"debug": False, "metrics_endpoint": None, "gzip_enabled": False}
    about = {"name": model.stem, "implementation": "with_mlserver.Onnx", "parameters": {"uri": str(model)}}
    (folder / "settings.json").write_text(json.dumps(own))
    (folder / "model-settings.json").write_text(json.dumps(about))
    return ["-c", f"{before}from mlserver.cli import main; main()", "start", str(folder)]


def _mlserver_alone(model: Path, folder: Path, port: int) -> list[str]:
    """As `pip install mlserver` leaves it: without httptools, which uvicorn takes where it can be imported."""
    return _mlserver(model, folder, port, "import sys; sys.modules['httptools'] = None; ")


PEERS = (
    Peer("kserve", _kserve, "kserve"),
    Peer("mlserver", _mlserver_alone, "mlserver"),
    Peer("mlserver-httptools", _mlserver, "mlserver", tuned=True),
)


def ready(server: Served, model: str) -> bool:
    """Whether it answers for the model."""
    with closing(HTTPConnection(server.host, server.port, timeout=5)) as connection:
        try:
            connection.request("GET", f"/v2/models/{model}/ready")
            return connection.getresponse().status == 200
        except ConnectionError:
            return False


def free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as sock:
        return sock.getsockname()[1]
