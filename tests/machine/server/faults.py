"""A real MLflow server that is away, or hangs."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from schwarz.stack import Server

HOP = ("connection", "transfer-encoding", "content-length", "host")


class Gate:
    """A way to the server at `uri` that can be closed and opened: it passes requests on, to the server's own host."""

    def __init__(self, uri: str) -> None:
        self.server_at, self.port = urlsplit(uri), 0
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """From here on it passes."""
        behind = self.server_at

        class Pass(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with suppress(ConnectionError), closing(HTTPConnection(str(behind.hostname), behind.port)) as passed:
                    headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                    content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    passed.request(self.command, self.path, content or None, headers)
                    self._answer(passed.getresponse())

            def _answer(self, answer: HTTPResponse) -> None:
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in (*HOP, "server", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815  # http.server's names
            do_PUT = do_GET  # noqa: N815
            do_PATCH = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Pass)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """From here on nobody listens."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def hung(server: Server) -> Iterator[None]:
    """The server takes connections and answers nothing."""
    process = server.process
    assert process
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)
