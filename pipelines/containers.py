"""The tasks of a run as containers on this machine: their image, what they see of this machine, and their end.

Run folder and data set are mounted at the paths that they have here, so that a step finds what it would find here, and
leaves what it would leave here. Nothing else of this machine can be written to.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import DeviceRequest, Mount

import docker
from pipelines.images import NAME, image, own
from schwarz import tracking
from schwarz.data import describe
from schwarz.errors import SchwarzError, WrongInput
from schwarz.runs import RunFolder
from schwarz.tracking.server import EMBEDDED

LABEL, TORCH = "schwarz.run", "schwarz.torch"
AUTHORITIES = "AWS_CA_BUNDLE"
TOLD = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    AUTHORITIES,
)
"""What a step is told of an object store; whatever else begins with AWS_ speaks of this machine's files."""
PLACES = ("SCHWARZ_STORE", "SCHWARZ_CHECKPOINTS", "SCHWARZ_REMOTE")


def check(device: str) -> None:
    """Refused here, before anything is written, unless an engine answers and has the image, for this device."""
    given = "SCHWARZ_IMAGE" in os.environ
    name = os.environ["SCHWARZ_IMAGE"] = image()  # from here on, whatever becomes of the tree meanwhile
    with _engine() as engine:
        try:
            torch = engine.images.get(name).labels.get(TORCH)
        except ImageNotFound:
            remedy = _other(engine) if given else "`make images` builds it of this tree."
            raise WrongInput(f"image {name}: the Docker engine here has none. {remedy}") from None
        except APIError as fault:
            raise WrongInput(f"image {name!r}: the Docker engine refuses it: {fault.explanation}.") from None
    if device == "cuda" and torch == "cpu":
        raise WrongInput(
            f"place.device = 'cuda': image {name} holds torch for CPUs. `make images TORCH=cuda` builds one for GPUs; "
            "or `--place.device cpu`."
        )


def _other(engine: docker.DockerClient) -> str:
    """What there is in place of an image that SCHWARZ_IMAGE names in vain."""
    there = sorted(tag for each in engine.images.list(NAME) for tag in each.tags)
    known = f" It has, of other trees perhaps: {', '.join(there)}." if there else ""
    return f"`make images` builds {own()} of this tree, which is taken where SCHWARZ_IMAGE is not set.{known}"


def arguments(run: RunFolder) -> dict[str, Any]:
    """How every container of a run is begun, in the words of the Docker client."""
    told = environment(run)
    addresses = [told.get(name, "") for name in ("MLFLOW_TRACKING_URI", *PLACES)]
    remote = any("://" in each and not each.startswith(EMBEDDED) for each in addresses)
    gpus = [DeviceRequest(count=-1, capabilities=[["gpu"]])] if run.config.place.device == "cuda" else None
    return {
        "environment": told,
        "mounts": mounts(run, told),
        "network_mode": "host" if remote else "none",  # the servers may listen on this machine's loopback alone
        "user": f"{os.getuid()}:{os.getgid()}",  # so that what a step writes belongs to whoever began the run
        "read_only": True,
        "tmpfs": {"/tmp": ""},  # noqa: S108  # a container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "labels": {LABEL: run.uid},
        "device_requests": gpus,
    }


def environment(run: RunFolder) -> dict[str, str]:
    """What a step is told; a server's password too, which a container's description shows to whoever may ask the
    engine, and nobody else."""
    mine = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_") or name in TOLD}
    own = ("SCHWARZ_RUN", "SCHWARZ_PROJECT", "SCHWARZ_SCRATCH", *PLACES)
    mine |= {name: os.environ[name] for name in own if name in os.environ}
    mine["MLFLOW_TRACKING_URI"] = tracking.default_uri(Path.cwd())
    return mine | run.config.place.environment


def mounts(run: RunFolder, told: dict[str, str]) -> list[Mount]:
    """The folders that a step reads and writes, at the paths that they have here."""
    given = (told.get(name, "s3://") for name in ("SCHWARZ_STORE", "SCHWARZ_CHECKPOINTS"))
    written = {run.path, *(Path(each) for each in given if not each.startswith("s3://"))}
    uri, read = told["MLFLOW_TRACKING_URI"], set[Path]()
    if uri.startswith(EMBEDDED):
        written.add(Path(uri.removeprefix(EMBEDDED)).parent)
    if "SCHWARZ_REMOTE" not in told:
        info = describe(run.project, run.config.data.name)
        read = {info.dvc_file, info.folder}
    elif not told["SCHWARZ_REMOTE"].startswith("s3://"):
        read = {Path(told["SCHWARZ_REMOTE"])}
    if AUTHORITIES in told:
        read.add(Path(told[AUTHORITIES]))
    for folder in written:
        folder.mkdir(parents=True, exist_ok=True)
    kinds = [(path, False) for path in sorted(written)] + [(path, True) for path in sorted(read)]
    return [Mount(str(path), str(path), type="bind", read_only=only) for path, only in kinds]


@contextmanager
def ended_with(run: RunFolder) -> Iterator[None]:
    """No container of the run outlives the block, nor this process however it ends: another process sees to it."""
    command = [sys.executable, "-m", "pipelines.containers", run.uid]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as watch:
        assert watch.stdout
        if not watch.stdout.readline():  # it says so when what an earlier attempt left has ended
            raise SchwarzError(
                "the engine could not be asked which containers an earlier attempt left. Resume the run."
            )
        yield


def end(uid: str) -> None:
    """Kill every container of a run, one that the engine is just about to start too."""
    with _engine() as engine:
        for _ in range(2):
            for each in engine.containers.list(filters={"label": f"{LABEL}={uid}"}):
                with suppress(NotFound, APIError):  # it has just ended by itself
                    each.kill()
            time.sleep(0.5)


@contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    try:
        engine = docker.from_env(timeout=30)
        engine.ping()
    except DockerException as fault:
        raise SchwarzError(
            f"no Docker engine answers ({_reason(fault)}). Start one, or name it in DOCKER_HOST; `--runner subprocess` "
            "needs none."
        ) from None
    try:
        yield engine
    finally:
        engine.close()


def _reason(fault: DockerException) -> str:
    where, cause = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), _first(fault)
    why = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return f"{urlsplit(where).path or where}: {why[:1].lower()}{why[1:]}"


def _first(fault: BaseException) -> BaseException:
    """What a fault began with, under all that libraries made of it."""
    while before := fault.__cause__ or fault.__context__:
        fault = before
    return fault


def _watch(uid: str) -> None:
    """End a run's containers now, and again when our input ends, as it does when the process that runs it is gone."""
    end(uid)
    print(flush=True)
    while os.read(0, 4096):
        pass
    end(uid)


if __name__ == "__main__":
    _watch(sys.argv[1])
