"""The manifests build with the tool that people build them with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

BASE = Path(__file__).parents[2] / "k8s" / "base"


def test_base_builds() -> None:
    if shutil.which("kubectl") is None and not os.environ.get("CI"):
        pytest.skip("kubectl is not installed")
    done = subprocess.run(["kubectl", "kustomize", str(BASE)], capture_output=True, text=True, check=True)
    objects = list(yaml.safe_load_all(done.stdout))
    assert {item["kind"] for item in objects} == {"Namespace", "ServiceAccount"}
    assert all(item["metadata"].get("namespace", item["metadata"]["name"]) == "schwarz" for item in objects)
