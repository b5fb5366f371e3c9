"""A process that serves models until it is told to stop."""

import asyncio
import errno
import os
import resource
import signal
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from schwarz.errors import SchwarzError, WrongInput
from schwarz.publishing import Champion
from schwarz.serving.access import guarded, wanted
from schwarz.serving.app import application
from schwarz.serving.bodies import Room
from schwarz.serving.following import Models, Published, Served, tried
from schwarz.serving.model import Model
from schwarz.serving.protocol import Patient
from schwarz.serving.threads import Threads
from schwarz.serving.watching import Figures, Watched, log_lines

if TYPE_CHECKING:
    from schwarz.serving.rpc.server import Rpc

GRACE_S = 20
"""How long requests under way may go on after SIGTERM: less than the 30 s that Kubernetes gives a pod."""


class Server(uvicorn.Server):
    """The server for HTTP, and the one for gRPC where there is one: begun and ended together."""

    def __init__(self, config: uvicorn.Config, rpc: "Rpc | None", said: Sequence[str]) -> None:
        """`said`: the lines that tell a person that both answer."""
        super().__init__(config)
        self._rpc, self._said = rpc, said

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._rpc:
            await self._rpc.start()
        await super().startup(sockets)
        print(*self._said, sep="\n", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.gather(super().shutdown(sockets), *([self._rpc.stop(GRACE_S)] if self._rpc else []))


def serve(sources: Mapping[str, Path | Published], host: str, port: int, grpc_port: int | None = None) -> None:
    """Serve models by name until SIGTERM or Ctrl-C; then accept nothing more, and finish what was begun."""
    token = wanted()
    loaded = [_loaded(source, name) for name, source in sources.items()]
    _many_connections()
    log_lines()
    with listening(host, port) as sock, ThreadPoolExecutor(cores(), "inference") as workers:
        threads = Threads(workers, cores())
        models = Models(Served(model, threads, following) for model, following in loaded)
        del loaded  # a champion that is followed by another one is to be freed
        figures, room = Figures(models), Room()
        app = application(models, figures, room)
        protocol: Any = partial(Patient, figures.refused)
        config = uvicorn.Config(
            Watched(guarded(app, token, sock.getsockname()[0]), figures),
            http=protocol, loop="uvloop", ws="none", lifespan="on", log_level="warning", log_config=None,
            access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE_S,
        )  # fmt: skip
        rpc = None
        if grpc_port is not None:
            from schwarz.serving.rpc.server import Rpc  # gRPC takes memory of its own

            rpc = Rpc(models, figures, room, token, _free(host, grpc_port))
        server = Server(config, rpc, _said(models, address(sock), rpc.address if rpc else None))
        # uvicorn sends itself the signal again when it is done: to be told to stop is no failure
        signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
        server.run([sock])


def _said(models: Models, http: str, grpc: str | None) -> list[str]:
    """What is served, and where."""
    versions = {name: each.batcher.model.version for name, each in models.served.items()}
    return [
        *(f"Serving {name}, version {versions[name]}, at http://{http}/v2/models/{name}." for name in versions),
        *([f"Serving the same by gRPC at {grpc}."] if grpc else []),
        f"To try it: http://{http}/ (Ctrl-C ends it)",
    ]


def _loaded(source: Path | Published, name: str) -> tuple[Model, tuple[Published, Champion] | None]:
    """A model, and what is to be followed."""
    if isinstance(source, Path):
        return tried(Model(source, name)), None
    known, model = source.newest(name)
    return model, (source, known) if source.version is None else None


def _many_connections() -> None:
    """As many as this process may have at all: idle ones take a place each until they are ended."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _free(host: str, port: int) -> str:
    """An address that gRPC can have, which binds it by itself, later."""
    with listening(host, port, "--grpc-port") as sock:
        return address(sock)


def listening(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that accepts connections, so that a port that is taken is told before anything else."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(place[:2], family=family, backlog=2048)
    except socket.gaierror as fault:
        raise WrongInput(f"--host {host}: {fault.strerror}. Give an address of this machine, as 127.0.0.1.") from None
    except OSError as fault:
        remedy = "Give an address of this machine, as 127.0.0.1."
        if fault.errno in (errno.EADDRINUSE, errno.EACCES):
            remedy = f"Give another `{option}`, or 0 for a free one."
        raise SchwarzError(f"port {port} of {host} cannot be used: {os.strerror(fault.errno or 0)}. {remedy}") from None


def address(sock: socket.socket) -> str:
    """As a browser on this machine takes it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
