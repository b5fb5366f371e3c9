"""MLflow's REST interface (version 2.0), as far as `Client` needs it, by the standard library alone."""

import base64
import http.client
import json
import math
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from schwarz.tracking.client import METRICS, PARAMS, Dataset, Experiment, Found, Point, portions
from schwarz.tracking.server import Unreachable, refused, shown

API, FILES = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
PROXIED = "mlflow-artifacts"  # the scheme of files that the server itself takes
PAGE = 1000


class Rest:
    """A server at http(s)://."""

    def __init__(self, uri: str, timeout_s: int) -> None:
        self.uri, self.base = uri, shown(uri).rstrip("/")
        self.timeout_s = int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", timeout_s))
        self.headers, self.login = {"Content-Type": "application/json"}, _login(uri)
        if workspace := os.environ.get("MLFLOW_WORKSPACE"):
            self.headers["X-MLFLOW-WORKSPACE"] = workspace
        self.context = _trust() if self.base.startswith("https") else None

    def experiment(self, name: str) -> Experiment | None:
        try:
            found = self._get("experiments/get-by-name", experiment_name=name)["experiment"]
        except Refused as fault:
            if fault.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return Experiment(found["experiment_id"], found["lifecycle_stage"] == "deleted")

    def new_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        try:
            return self._post("experiments/create", name=name, tags=_pairs(tags))["experiment_id"]
        except Refused as fault:
            found = self.experiment(name)
            if fault.code != "RESOURCE_ALREADY_EXISTS" or found is None:
                raise
            return found.id

    def run(self, identity: str) -> Found:
        return _found(self._get("runs/get", run_id=identity)["run"])

    def find(self, experiment: str, tag: str, value: str) -> list[Found]:
        wanted = {"experiment_ids": [experiment], "filter": f"tags.`{tag}` = '{value}'", "max_results": PAGE}
        page = self._post("runs/search", **wanted)
        runs = page.get("runs", [])
        while token := page.get("next_page_token"):
            page = self._post("runs/search", **wanted, page_token=token)
            runs += page.get("runs", [])
        return [_found(run) for run in runs]

    def new_run(self, experiment: str, name: str, began_ms: int, tags: Mapping[str, str]) -> Found:
        made = {"experiment_id": experiment, "run_name": name, "start_time": began_ms, "tags": _pairs(tags)}
        return _found(self._post("runs/create", **made)["run"])

    def log(
        self,
        identity: str,
        metrics: Iterable[Point] = (),
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        for some in portions(_pairs(params or {}), PARAMS):
            self._post("runs/log-batch", run_id=identity, params=some)
        for some in portions(_pairs(tags or {}), PARAMS):
            self._post("runs/log-batch", run_id=identity, tags=some)
        for some in portions([metric(point) for point in metrics], METRICS):
            self._post("runs/log-batch", run_id=identity, metrics=some)

    def epochs(self, identity: str, metric: str) -> set[int]:
        page = self._get("metrics/get-history", run_id=identity, metric_key=metric)
        return {int(point.get("step", 0)) for point in page.get("metrics", [])}

    def use(self, identity: str, dataset: Dataset) -> None:
        about = {"name": dataset.name, "digest": dataset.digest, "source_type": "code", "source": dataset.source}
        used = {"dataset": about, "tags": _pairs({"mlflow.data.context": "training"})}
        self._post("runs/log-inputs", run_id=identity, datasets=[used])

    def update(self, identity: str, status: str, ended_ms: int | None = None) -> None:
        ended = {} if ended_ms is None else {"end_time": ended_ms}
        self._post("runs/update", run_id=identity, status=status, **ended)

    def delete(self, identity: str) -> None:
        self._post("runs/delete", run_id=identity)

    def upload(self, run: Found, file: Path) -> None:
        place = urlsplit(run.artifacts)
        if place.scheme == PROXIED and not place.netloc:
            path = quote(f"{FILES}{place.path}/{file.name}")
            self._send("PUT", path, file.read_bytes(), {"Content-Type": "application/octet-stream"})
        else:  # straight to where they are kept: mlflow knows every such place
            from schwarz.tracking.library import Library

            Library(self.uri, self.timeout_s).upload(run, file)

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        return self._send("GET", f"{API}/{path}?{urlencode(query)}", None)

    def _post(self, path: str, **content: Any) -> dict[str, Any]:
        return self._send("POST", f"{API}/{path}", json.dumps(content, allow_nan=False).encode())

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # http(s) only, see open_client
            self.base + path, body, {**self.headers, **(headers or {})}, method=method
        )
        for name, value in self.login.items():
            request.add_unredirected_header(name, value)  # not for whom an answer points to
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s, context=self.context) as answer:  # noqa: S310
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as fault:
            with fault:
                raise Refused(self.uri, fault.code, fault.read().decode(errors="replace")) from None
        except (OSError, ValueError, http.client.HTTPException) as fault:  # ValueError: what came is no JSON
            reason = str(getattr(fault, "reason", fault)) or type(fault).__name__
            raise Unreachable(f"MLflow at {shown(self.uri)} failed: {reason}") from None


class Refused(Unreachable):
    """The server answered, and did not do it. `code`: MLflow's word for why."""

    def __init__(self, uri: str, status: int, text: str) -> None:
        try:
            told = json.loads(text)
            self.code, message = str(told.get("error_code", "")), str(told.get("message", text))
        except (ValueError, AttributeError):
            self.code, message = "", text
        super().__init__(refused(uri, status, message))


def _found(run: dict[str, Any]) -> Found:
    info, data = run["info"], run.get("data", {})
    named = {
        kind: {each["key"]: each["value"] for each in data.get(kind, [])} for kind in ("tags", "params", "metrics")
    }
    metrics = {key: float(value) for key, value in named["metrics"].items()}
    began_ms = int(info.get("start_time", 0))
    place = (info["run_id"], info["experiment_id"], info["status"], began_ms, info.get("artifact_uri", ""))
    return Found(*place, named["tags"], named["params"], metrics)


def metric(point: Point) -> dict[str, Any]:
    """A point in MLflow's JSON."""
    value = point.value if math.isfinite(point.value) else _named(point.value)
    return {"key": point.key, "value": value, "timestamp": point.t_ms, "step": point.epoch}


def _named(value: float) -> str:
    """What JSON has no number for, as protobuf writes it."""
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


def _pairs(values: Mapping[str, object]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in values.items()]


def _login(uri: str) -> dict[str, str]:
    """What says who we are: user and password, else a token, as mlflow's own client does it."""
    place = urlsplit(uri)
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or unquote(place.username or "")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(place.password or "")
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    return {}


def _trust() -> ssl.SSLContext:
    """The certificates that are believed, as mlflow's own client is told them."""
    told = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or os.environ.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=told or None)
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
