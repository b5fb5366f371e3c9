"""A stand-in for Kubeflow Pipelines' API: no cluster can be had where the tests run, and neither the program `kfp` nor
its client does anything without a server. It answers as that API does and records what it is sent; it runs nothing."""

import json
import threading
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = "/apis/v2beta1"
WHEN = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Request:
    """What somebody sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def uploaded(self) -> str:
        """The text of a file that was sent as a form."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = BytesParser().parsebytes(head + self.body).get_payload()
        return part.get_payload(decode=True).decode()  # type: ignore[union-attr]


@dataclass
class Kubeflow:
    """Kubeflow Pipelines of one user, or of several."""

    several_users: bool = False
    token: str | None = None
    """What everybody must bring."""
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Path below the API -> status and body, in place of the answer."""
    hung: set[str] = field(default_factory=set)
    """Paths that are never answered."""
    moved_to: str = ""
    """Where everybody is sent instead."""
    requests: list[Request] = field(default_factory=list)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"kubeflow": self}))
        self.host = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def sent(self, method: str, path: str) -> list[Request]:
        """The requests of a kind, in order."""
        return [each for each in self.requests if (each.method, each.path) == (method, path)]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and JSON, or a page, in answer."""
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"message": "no valid token"}
        if request.path in self.faults:
            return self.faults[request.path]
        match [request.method, *request.path.split("/")[1:]]:
            case ["GET", "healthz"]:
                told: Any = {"multi_user": self.several_users}
            case ["GET", "experiments"]:
                told = {"experiments": _named(self.experiments, request)}
            case ["POST", "experiments"]:
                told = request.json | {"experiment_id": f"e{len(self.experiments)}", "created_at": WHEN}
                self.experiments[told["display_name"]] = told
            case ["GET", "pipelines"]:
                told = {"pipelines": _named(self.pipelines, request)}
            case ["POST", "pipelines", "upload"]:
                told = {"pipeline_id": f"p{len(self.pipelines)}", "display_name": request.query["name"]}
                self.pipelines[told["display_name"]] = told
            case ["GET", "pipelines", _, "versions"]:
                told = {"pipeline_versions": _named(self.versions, request)}
            case ["POST", "pipelines", "upload_version"]:
                told = {"pipeline_id": request.query["pipelineid"], "display_name": request.query["name"]}
                self.versions[told["display_name"]] = told | {"pipeline_version_id": f"v{len(self.versions)}"}
                told = self.versions[told["display_name"]]
            case ["POST", "runs"]:
                self.runs.append(request.json)
                told = request.json | {"run_id": f"run-{len(self.runs)}", "created_at": WHEN, "state": "PENDING"}
            case ["GET", "runs", run]:
                told = self.runs[int(run.removeprefix("run-")) - 1] | {"run_id": run, "created_at": WHEN}
            case _:
                return 404, {"message": f"{request.method} {request.path} is unknown"}
        return 200, told


def _named(things: dict[str, dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """All things, or those that a filter names."""
    if not (asked := request.query.get("filter")):
        return list(things.values())
    (wanted,) = json.loads(asked)["predicates"]
    assert wanted["key"] == "display_name"
    name = wanted["stringValue"]
    return [things[name]] if name in things else []


class _Handler(BaseHTTPRequestHandler):
    kubeflow: Kubeflow

    def _serve(self) -> None:
        at = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(at.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, at.path.removeprefix(API), query, self.headers, body)
        self.kubeflow.requests.append(request)
        if request.path in self.kubeflow.hung:
            self.kubeflow.closing.wait()
            return
        status, told = (302, "") if self.kubeflow.moved_to else self.kubeflow.answer(request)
        content = (told if isinstance(told, str) else json.dumps(told)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(told, str) else "application/json")
        if self.kubeflow.moved_to:
            self.send_header("Location", f"{self.kubeflow.moved_to}{self.path}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _serve  # noqa: N815  # as http.server calls them

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test reads `requests`."""
