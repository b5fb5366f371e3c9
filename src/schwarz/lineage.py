"""Where a result comes from: commit, versions, configuration."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from schwarz.config import Config

LIBRARIES = ("schwarz", "torch", "numpy", "onnx", "onnxruntime", "mlflow", "kfp", "dvc")


def lineage(config: Config, uid: str) -> dict[str, Any]:
    """Commit and state of the checkout (or what the image says of itself), versions, digest of the configuration."""
    commit, dirty = commit_of(Path(__file__).parent)
    return {
        "uid": uid,
        "commit": commit,
        "dirty": dirty,
        "config_digest": config.science(),
        "versions": versions(),
    }


def commit_of(folder: Path) -> tuple[str, bool]:
    """(commit, whether the working tree differs from it); an image knows its commit from SCHWARZ_COMMIT."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (subprocess.CalledProcessError, FileNotFoundError):
        return os.environ.get("SCHWARZ_COMMIT", "unknown"), False


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a result, as far as they are installed."""
    found = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return {"python": platform.python_version(), **{name: found[name] for name in LIBRARIES if name in found}}


def _git(folder: Path, *arguments: str) -> str:
    call = ["git", "-C", str(folder), *arguments]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()
