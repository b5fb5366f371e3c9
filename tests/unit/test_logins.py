"""A login is for the server that was named, and for nobody to whom that one points."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.client import Kubeflow
from schwarz.errors import SchwarzError
from schwarz.tracking.rest import Rest


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """The address of a server that points to another, and who was asked with which login."""
    seen: list[tuple[str, str | None]] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.headers["Host"], self.headers["Authorization"]))
            self.send_response(200 if self.headers["Host"].startswith("localhost") else 302)
            self.send_header("Location", f"http://localhost:{server.server_port}/login")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...  # type: ignore[override]  # the test's output is no access log

    monkeypatch.setenv("KFP_EXISTING_TOKEN", "t0k")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0k")
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()


def of_kubeflow(address: str) -> None:
    with pytest.raises(SchwarzError, match="is at http://localhost"):
        Kubeflow(address, None).reach()


def of_mlflow(address: str) -> None:
    assert Rest(address, 3).epochs("run", "metric") == set()


@pytest.mark.parametrize("ask", [of_kubeflow, of_mlflow])
def test_the_login_goes_no_further(asked: tuple[str, list[tuple[str, str | None]]], ask: Callable[[str], None]) -> None:
    address, seen = asked
    ask(address)
    (first, login), (second, none) = seen
    assert first == address.removeprefix("http://")
    assert login == "Bearer t0k"
    assert second.startswith("localhost")
    assert none is None
