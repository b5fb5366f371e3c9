"""What import-linter cannot see: which heavy libraries an import really loads. A quick --help depends on it."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "kfp", "mlflow", "numpy", "dvc", "onnx", "onnxruntime"}


def loaded_by(module: str) -> set[str]:
    """The heavy libraries in a fresh interpreter after importing one module."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("module", ["schwarz", "schwarz.cli", "schwarz.config", "schwarz.presets", "pipelines"])
def test_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(module) == set()


@pytest.mark.parametrize("module", ["pipelines.train", "components"])
def test_the_pipeline_loads_no_science(module: str) -> None:
    assert loaded_by(module) <= {"kfp", "numpy"}
