"""`doctor`: whether this machine has what a run needs, and the command that mends what is missing."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import click

from schwarz.cli.grammar import Command
from schwarz.errors import DONE, FAILED, SchwarzError, WrongInput

SERVERS = ("MLFLOW_TRACKING_URI", "MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
STORES = ("SCHWARZ_STORE", "SCHWARZ_CHECKPOINTS", "SCHWARZ_REMOTE")
DISK_GB, MEMORY_GB = 2.0, 4.0
ANSWER_S = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    text: str
    ok: bool = True
    needed: bool = True
    remedy: str | None = None

    def line(self) -> str:
        state = "ok" if self.ok else "MISSING" if self.needed else "absent"
        return f"{state:<9}{self.name:<23}{self.text}{f'. {self.remedy}' if self.remedy else ''}"


@click.command(cls=Command, examples=("schwarz doctor", "schwarz doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def doctor(as_json: bool) -> int:
    """Say what is here, what is missing, and what mends it.

    Looks at versions, device, disk, memory, Docker, the servers in the environment, and the sample.

    Exit status 0 when all that a run needs is there, else 1.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        findings = list(chain.from_iterable(pool.map(list, (look() for look in LOOKS))))
    lacking = [finding for finding in findings if finding.needed and not finding.ok]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print(*(finding.line() for finding in findings), sep="\n")
        print(f"{len(lacking)} missing." if lacking else "All that a run needs is there.")
    return FAILED if lacking else DONE


def libraries() -> Iterator[Finding]:
    """Python and the libraries, read from what is installed; none of them is imported."""
    from schwarz.lineage import LIBRARIES, versions

    found = versions()
    for name in ("python", *LIBRARIES):
        there = name in found
        yield Finding(
            name, found.get(name, "not installed"), there, remedy=None if there else "`make setup` installs it"
        )


def device() -> Iterator[Finding]:
    """Cores, and the GPUs that the driver names."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("cores", f"{here}")
    gpus = _answer("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    text = ", ".join(gpus.splitlines()) if gpus else "none; networks are trained on the CPU"
    yield Finding("gpu", text, bool(gpus), needed=False)


def room() -> Iterator[Finding]:
    """Free disk where runs are written, and memory."""
    import shutil

    free = shutil.disk_usage(Path.cwd()).free / 1e9
    enough = free >= DISK_GB
    remedy = f"{DISK_GB:.0f} GB are wanted: free some, or give `--out` on another disk"
    yield Finding("disk", f"{free:.1f} GB free in {Path.cwd()}", enough, remedy=None if enough else remedy)
    memory = _memory_gb()
    enough = memory >= MEMORY_GB
    yield Finding(
        "memory",
        f"{memory:.1f} GB available",
        enough,
        needed=False,
        remedy=None if enough else f"a run takes up to {MEMORY_GB:.0f} GB: close something, or set --place.pods 1",
    )


def tools() -> Iterator[Finding]:
    """Programs that some commands use."""
    git = _answer("git", "--version")
    yield Finding(
        "git", git or "not found", bool(git), False, None if git else "without it a run cannot name its commit"
    )
    docker = _answer("docker", "version", "--format", "{{.Server.Version}}")
    remedy = None if docker else "only for container images: https://docs.docker.com/engine/install"
    yield Finding("docker", docker or "no engine answers", bool(docker), False, remedy)
    if docker:
        yield _image()


def servers() -> Iterator[Finding]:
    """The servers that the environment names."""
    from schwarz.tracking import shown, trouble

    named = {name: os.environ[name] for name in SERVERS if os.environ.get(name)}
    if "MLFLOW_TRACKING_URI" not in named:
        yield Finding("MLFLOW_TRACKING_URI", "not set: metrics go to a store under ./runs")
    for name, url in named.items():
        fault = trouble(url) if name == "MLFLOW_TRACKING_URI" else _fault(url)
        remedy = None if fault is None else f"Start or mend it, or `unset {name}`"
        text = f"{shown(url)}: {'answers' if fault is None else fault.replace(url, shown(url))}"
        yield Finding(name, text, fault is None, remedy=remedy)
    for name in STORES:
        if (uri := os.environ.get(name, "")).startswith("s3://"):
            yield _store(name, uri)


def sample() -> Iterator[Finding]:
    """The sample images: described, present, whole."""
    from schwarz.data import describe
    from schwarz.runs import project_root
    from schwarz.shell import dvc
    from schwarz.storage import version

    try:
        info = describe(project_root(), "sample")
    except WrongInput as fault:
        yield Finding("sample", str(fault), False, remedy="Work in the folder of the checkout")
        return
    if not info.folder.is_dir():
        yield Finding("sample", "not here yet: the first run gets it, as `dvc pull` does", False, needed=False)
        return
    whole = version(info.folder) == info.md5
    text = (
        f"{info.folder}, {info.train} + {info.test} images" if whole else f"{info.folder} was changed or is not whole"
    )
    yield Finding("sample", text, whole, remedy=None if whole else f"`{dvc('checkout', '--force', info.dvc_file)}`")


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (libraries, device, room, tools, servers, sample)


def _answer(*command: str) -> str | None:
    """What a program prints, None when it is absent, fails or takes too long."""
    import subprocess

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _image() -> Finding:
    """The image that `--runner docker` takes."""
    from pipelines.images import image

    try:
        name = image()
    except WrongInput as fault:
        return Finding("image", str(fault), False, False)
    there = _answer("docker", "image", "inspect", "--format", "{{.Id}}", name)
    text = name if there else f"{name}: the engine has none"
    return Finding("image", text, bool(there), False, None if there else "for `--runner docker`: `make images`")


def _store(name: str, uri: str) -> Finding:
    """Whether a store answers, takes the keys of the environment and has the bucket: asked as a run asks it."""
    from schwarz.storage import ready

    try:
        ready(uri, ANSWER_S)
    except SchwarzError as fault:
        return Finding(name, str(fault).rstrip("."), False)
    return Finding(name, f"{uri}: answers, takes the keys, has the bucket")


def _fault(url: str) -> str | None:
    """Why an object store does not answer; None when it does, be it with an error page."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "is no address: one looks like http://127.0.0.1:8333"
    import http.client  # with ssl a fifth of what `--help` may take

    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        with closing(kind(parts.hostname, parts.port, timeout=ANSWER_S)) as connection:
            connection.request("GET", "/")
            connection.getresponse()
    except (OSError, http.client.HTTPException) as fault:
        return f"does not answer ({fault})"
    return None


def _memory_gb() -> float:
    """Memory that can be had, a container's limit included."""
    import psutil

    available = psutil.virtual_memory().available
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()) != "max":
        available = min(available, int(text) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    return available / 1e9
