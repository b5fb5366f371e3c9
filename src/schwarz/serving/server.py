"""A process that serves models until it is told to stop."""

import errno
import os
import resource
import signal
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from schwarz.errors import SchwarzError, WrongInput
from schwarz.publishing import Champion
from schwarz.serving.access import VARIABLE, Guarded
from schwarz.serving.app import application
from schwarz.serving.following import Models, Published, Served, tried
from schwarz.serving.model import Model
from schwarz.serving.protocol import Patient
from schwarz.serving.watching import Figures, Watched, log_lines

SHORT = 16
GRACE_S = 20
"""How long requests under way may go on after SIGTERM: less than the 30 s that Kubernetes gives a pod."""


def serve(sources: Mapping[str, Path | Published], host: str, port: int) -> None:
    """Serve models by name until SIGTERM or Ctrl-C; then accept nothing more, and finish what was begun."""
    loaded = [_loaded(source, name) for name, source in sources.items()]
    _many_connections()
    log_lines()
    with listening(host, port) as sock, ThreadPoolExecutor(cores(), "inference") as workers:
        models = Models(Served(model, workers, cores(), following) for model, following in loaded)
        del loaded  # a champion that is followed by another one is to be freed
        figures = Figures(models)
        app = Watched(guarded(application(models, figures)), figures)
        server = uvicorn.Server(
            uvicorn.Config(
                app, http=Patient, loop="uvloop", ws="none", lifespan="on", log_level="warning", log_config=None,
                access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE_S,
            )
        )  # fmt: skip
        # uvicorn sends itself the signal again when it is done: to be told to stop is no failure
        signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
        at = address(sock)
        for name, each in models.served.items():
            version = each.batcher.model.version
            print(f"Serving {name}, version {version}, at {at}/v2/models/{name}. Ctrl-C ends it.")
        print(f"To try it: {at}/", flush=True)
        server.run([sock])


def _loaded(source: Path | Published, name: str) -> tuple[Model, tuple[Published, Champion] | None]:
    """A model, and what is to be followed."""
    if isinstance(source, Path):
        return tried(Model(source, name)), None
    known, model = source.newest(name)
    return model, (source, known) if source.version is None else None


def guarded(app: ASGIApp) -> ASGIApp:
    """Behind a token, where one is set."""
    token = os.environ.get(VARIABLE)
    if token is None:
        return app
    if len(token) < SHORT or not token.isascii() or not token.isprintable() or " " in token:
        raise WrongInput(
            f"{VARIABLE}: give {SHORT} or more letters, digits and signs, as `openssl rand -hex 20` makes."
        )
    return Guarded(app, token)


def _many_connections() -> None:
    """As many as this process may have at all: idle ones take a place each until they are ended."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def listening(host: str, port: int) -> socket.socket:
    """A socket that accepts connections, so that a port that is taken is told before anything else."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(place[:2], family=family, backlog=2048)
    except socket.gaierror as fault:
        raise WrongInput(f"--host {host}: {fault.strerror}. Give an address of this machine, as 127.0.0.1.") from None
    except OSError as fault:
        remedy = "Give an address of this machine, as 127.0.0.1."
        if fault.errno in (errno.EADDRINUSE, errno.EACCES):
            remedy = "Give another `--port`, or 0 for a free one."
        raise SchwarzError(f"port {port} of {host} cannot be used: {os.strerror(fault.errno or 0)}. {remedy}") from None


def address(sock: socket.socket) -> str:
    """As a browser on this machine takes it."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
