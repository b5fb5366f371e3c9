"""Kubeflow Pipelines over its API: is it there, upload a compiled pipeline, run it.

kfp's own client waits for half a minute before it says that a server is away, and then shows a traceback: the server is
asked here first, and everything it may answer becomes one message with a remedy.
"""

import contextlib
import io
import json
import os
import socket
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schwarz.errors import SchwarzError, WrongInput, nearest
from schwarz.files import sha256

PATIENCE_S = 10
HEALTHZ = "/apis/v2beta1/healthz"
FORWARD = "kubectl port-forward -n kubeflow service/ml-pipeline 8888:8888"


@dataclass(frozen=True)
class Submission:
    """What is to be run, and as what."""

    package: Path
    pipeline: str
    name: str | None
    """Of the run; None: `default` and the version."""
    experiment: str | None
    """One that exists; None: the one called like `default`, made where there is none."""
    default: str
    service_account: str | None


@dataclass(frozen=True)
class Submitted:
    """A run as Kubeflow knows it."""

    experiment: str
    version: str
    run: str
    url: str


@dataclass(frozen=True)
class Kubeflow:
    """Kubeflow Pipelines at an address, as one user or namespace sees it."""

    host: str
    namespace: str | None

    def __post_init__(self) -> None:
        address = urlsplit(self.host)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise WrongInput(
                f"--host {self.host}: http://HOST:PORT or https://HOST is wanted, the address of Kubeflow Pipelines' "
                f"API: http://localhost:8888 after `{FORWARD}`."
            )
        if address.username or address.password:
            raise WrongInput("--host holds a user: a token goes into KFP_EXISTING_TOKEN, where it is not printed.")

    def reach(self) -> None:
        """Refuse, within `PATIENCE_S` seconds, a server that is away, is another one, or lets nobody in."""
        healthy = self._healthy()
        if healthy.get("multi_user") and not self.namespace:
            raise WrongInput(
                f"--namespace is missing: {self.host} has several users, each with a namespace. Name yours, or write "
                "it into the platform file."
            )

    def submit(self, sent: Submission) -> Submitted:
        """Upload the pipeline, unless these very bytes are there, and run it."""
        with self._client() as client:
            experiment = self._experiment(client, sent)
            pipeline, version, name = self._upload(client, sent)
            run = client.run_pipeline(
                experiment.experiment_id,
                sent.name or f"{sent.default} {name}",
                pipeline_id=pipeline,
                version_id=version,
                service_account=sent.service_account,
            )
        shown = os.environ.get("KF_PIPELINES_UI_ENDPOINT", self.host).rstrip("/")
        return Submitted(experiment.display_name, name, run.run_id, f"{shown}/#/runs/details/{run.run_id}")

    def _healthy(self) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.host.rstrip('/')}{HEALTHZ}")  # noqa: S310  # http, checked above
        if token := os.environ.get("KFP_EXISTING_TOKEN"):
            request.add_unredirected_header("Authorization", f"Bearer {token}")  # not for whom an answer points to
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                at, told = answer.url, dict(json.load(answer))
        except urllib.error.HTTPError as fault:
            raise self._refused(fault.code, fault.reason) from None
        except (ValueError, TypeError):  # a page of a login, or of something else
            raise self._another("a page that is no JSON") from None
        except (OSError, HTTPException) as fault:
            raise self._away(getattr(fault, "reason", fault)) from None
        if at != request.full_url:
            raise WrongInput(f"{self.host}: is at {at.removesuffix(HEALTHZ)} now: give that as --host.")
        return told

    def _refused(self, status: int, reason: str) -> SchwarzError:
        """What an answer other than 200 means."""
        told = f"HTTP {status} {reason}".strip()
        if status in (401, 403):
            place = f" and that namespace {self.namespace!r} is yours" if self.namespace else ""
            return WrongInput(
                f"{self.host}: does not let you in ({told}): give a token that is valid there in KFP_EXISTING_TOKEN, "
                f"and see that you may submit runs{place}. docs/cluster.md says how to get one."
            )
        if status == 404:
            return self._another(told)
        return SchwarzError(f"{self.host}: {told}. Try again; `kubectl get pods -n kubeflow` says whether it is well.")

    def _another(self, told: str) -> WrongInput:
        return WrongInput(
            f"{self.host}: answers, but not as Kubeflow Pipelines' API ({told}). That is at http://localhost:8888 "
            f"after `{FORWARD}`, in a whole Kubeflow at https://HOST/pipeline with a token in KFP_EXISTING_TOKEN."
        )

    def _away(self, why: object) -> SchwarzError:
        if isinstance(why, socket.gaierror):
            return WrongInput(
                f"{self.host}: there is no such host ({why.strerror}). `{FORWARD}` makes it localhost:8888."
            )
        late = isinstance(why, TimeoutError) or type(why).__name__ == "ReadTimeoutError"
        told = f"no answer within {PATIENCE_S} s" if late else f"nothing answers ({why})"
        return SchwarzError(f"{self.host}: {told}. Is the port forwarded? `{FORWARD}`")

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        """kfp's client, which neither talks nor waits for long; its faults as messages."""
        try:
            with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
                from kfp import Client

                token, authority = os.environ.get("KFP_EXISTING_TOKEN"), os.environ.get("SSL_CERT_FILE")
                space = self.namespace or "kubeflow"  # what it takes for none
                client: Any = Client(self.host, namespace=space, existing_token=token, ssl_ca_cert=authority)
                _impatient(client._run_api.api_client.rest_client.pool_manager)
                yield client
        except SchwarzError:
            raise
        except Exception as fault:
            raise self._told(fault) from None

    def _told(self, fault: Exception) -> Exception:
        """A fault of kfp's client, which raises those of its two libraries as they are, in one message."""
        library = type(fault).__module__.partition(".")[0]
        if library == "kfp_server_api" and (status := getattr(fault, "status", None)):
            if status in (401, 403, 404):
                return self._refused(status, getattr(fault, "reason", ""))
            return SchwarzError(f"{self.host}: HTTP {status}: {_said(getattr(fault, 'body', ''))}")
        return self._away(getattr(fault, "reason", fault)) if library == "urllib3" else fault

    def _experiment(self, client: Any, sent: Submission) -> Any:
        if sent.experiment is None:
            return client.create_experiment(sent.default, namespace=self.namespace)
        try:
            return client.get_experiment(experiment_name=sent.experiment, namespace=self.namespace)
        except ValueError:
            known = client.list_experiments(page_size=200, namespace=self.namespace).experiments or []
            close = nearest(sent.experiment, [experiment.display_name for experiment in known])
            raise WrongInput(
                f"no experiment {sent.experiment!r} at {self.host}.{close} `kfp experiment create {sent.experiment}` "
                f"makes it; without --experiment, {sent.default!r} is taken or made."
            ) from None

    def _upload(self, client: Any, sent: Submission) -> tuple[str, str, str]:
        """Ids of the pipeline and of its version with the bytes of the package, which are its name."""
        name, package = sha256(sent.package)[:12], str(sent.package)
        found = client.list_pipelines(filter=_called(sent.pipeline), namespace=self.namespace).pipelines
        pipeline = found[0] if found else client.upload_pipeline(package, sent.pipeline, namespace=self.namespace)
        versions = client.list_pipeline_versions(pipeline.pipeline_id, filter=_called(name)).pipeline_versions
        version = versions[0] if versions else client.upload_pipeline_version(package, name, pipeline.pipeline_id)
        return pipeline.pipeline_id, version.pipeline_version_id, name


def _impatient(pool: Any) -> None:
    """Let kfp's client wait `PATIENCE_S` seconds for an answer and ask once: it would wait for ever, and has no setting
    for that."""
    ask = pool.request
    pool.request = lambda *given, **settings: ask(*given, **{**settings, "timeout": PATIENCE_S, "retries": False})


def _called(name: str) -> str:
    """KFP's filter for what has this name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _said(body: str | bytes) -> str:
    """The message of an answer of KFP, which is JSON as a rule."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    with contextlib.suppress(ValueError):
        told = json.loads(text)
        text = told.get("message") or told.get("error") or text
    first = " ".join(text.split())
    return first[:300] or "no reason given"
