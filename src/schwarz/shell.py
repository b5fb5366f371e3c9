"""Commands that can be copied into the shell as they are printed."""

import shlex
import sys
from pathlib import Path


def command(*words: object) -> str:
    """`schwarz` and its words, quoted; by its path when it is not the one on PATH (a .venv that is not active)."""
    return shlex.join([_program("schwarz"), *map(str, words)])


def mlflow_ui(store: str) -> str:
    """The command that opens MLflow's UI on an embedded store."""
    return shlex.join([_program("mlflow"), "ui", "--backend-store-uri", store])


def dvc(*words: object) -> str:
    """A command of DVC."""
    return shlex.join([_program("dvc"), *map(str, words)])


def kfp(*words: object) -> str:
    """A command of Kubeflow Pipelines."""
    return shlex.join([_program("kfp"), *map(str, words)])


def _program(name: str) -> str:
    import shutil

    own = Path(sys.executable).parent / name
    found = shutil.which(name)
    if not own.exists() or (found and Path(found).resolve() == own.resolve()):
        return name
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)
