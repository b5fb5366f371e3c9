"""A model that a process serves, as one asks it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Served:
    """A process of `schwarz serve`, and where it listens."""

    process: subprocess.Popen[str]
    host: str
    port: int
    grpc: str = ""
    """The address for gRPC, where it answers that too."""

    def connect(self) -> closing[HTTPConnection]:
        return closing(HTTPConnection(self.host, self.port, timeout=20))

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer; a body that is no bytes is sent as JSON."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with self.connect() as connection:
            connection.request(method, path, content, headers or {})
            answer = connection.getresponse()
            assert answer.headers["content-type"] == "application/json"
            return answer.status, json.loads(answer.read())


@contextmanager
def served(model: Path | str, *options: str) -> Iterator[Served]:
    """Serve a file, or a published model, on a free port until the block ends."""
    command = [sys.executable, "-c", "from schwarz.cli import main; main()", "serve", str(model), "--port", "0"]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *options], stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        grpc = ""
        while said.startswith("Serving "):
            grpc = said.rpartition(" at ")[2].strip(".\n") if said.startswith("Serving the same by gRPC") else ""
            said = process.stdout.readline()
        assert said.startswith("To try it: "), process.communicate()
        place = urlsplit(said.removeprefix("To try it: ").split()[0])
        assert place.hostname is not None
        assert place.port is not None
        try:
            yield Served(process, place.hostname, place.port, grpc)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
