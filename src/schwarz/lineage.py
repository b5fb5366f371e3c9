"""Where a result comes from: commit, code, versions, processor, configuration."""

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from schwarz.config import Config, digest
from schwarz.files import sha256, tree

LIBRARIES = (
    "schwarz", "torch", "numpy", "safetensors", "onnx", "onnxscript", "onnxruntime", "mlflow", "kfp", "dvc",
)  # fmt: skip
INSTRUCTIONS = (
    *("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16"),
    *("asimd", "asimdhp", "bf16", "sve", "sve2"),
)
"""Instruction sets that torch's libraries choose their kernels by, as Linux calls them."""


def lineage(config: Config, uid: str) -> dict[str, Any]:
    """Commit and state of the checkout (or what the image says of itself), digests of the code and of the
    configuration, versions, and the processor that the run begins on."""
    commit, dirty = commit_of(Path(__file__).parent)
    return {
        "uid": uid,
        "commit": commit,
        "dirty": dirty,
        "code": code(),
        "config_digest": config.science(),
        "versions": versions(),
        "processor": processor(),
    }


@functools.cache
def code() -> str:
    """Digest of the library's source, but for the command line: what the bytes of a result depend on."""
    root = Path(__file__).parent
    sources = [
        path for path in tree(root) if path.suffix in (".py", ".j2", ".css") and root / "cli" not in path.parents
    ]
    return digest({str(path.relative_to(root)): sha256(path) for path in sources})


def commit_of(folder: Path) -> tuple[str, bool]:
    """(commit, whether the working tree differs from it); an image knows both from SCHWARZ_COMMIT."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (subprocess.CalledProcessError, FileNotFoundError):
        commit = os.environ.get("SCHWARZ_COMMIT", "unknown")
        return commit.removesuffix("-dirty"), commit.endswith("-dirty")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a result, as far as they are installed."""
    found = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return {"python": platform.python_version(), **{name: found[name] for name in LIBRARIES if name in found}}


def processor() -> str:
    """The processor's kind: its name and those of INSTRUCTIONS that it has."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    about = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    flags = about.get("flags", about.get("Features", "")).split()
    return " ".join([about.get("model name", platform.machine()), *(name for name in INSTRUCTIONS if name in flags)])


def _git(folder: Path, *arguments: str) -> str:
    call = ["git", "-C", str(folder), *arguments]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()
