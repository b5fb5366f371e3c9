"""k8s/ of the checkout, built with secrets of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.machine.manifests.objects import ROOT, Object, Pod, objects_of, pods, text_of, with_secrets

KUBECTL = (1, 27)
OVERLAYS = ("laptop", "laptop-serving", "gpu")


@pytest.fixture(scope="session")
def k8s(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without kubectl: skipped on a laptop, a failure in CI."""
    if lacking := _lacking():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacking)
    return with_secrets(tmp_path_factory.mktemp("checkout"))


def _lacking() -> str | None:
    if shutil.which("kubectl") is None:
        return "kubectl is not installed"
    told = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, text=True, check=True)
    version = json.loads(told.stdout)["clientVersion"]
    found = tuple(int(version[part].rstrip("+")) for part in ("major", "minor"))
    return None if found >= KUBECTL else f"kubectl {version['gitVersion']} is too old: 1.27 brings kustomize 5"


@pytest.fixture(scope="session")
def built(k8s: Path) -> dict[str, str]:
    assert {path.name for path in (ROOT / "k8s" / "overlays").iterdir()} == set(OVERLAYS)
    return {name: text_of(k8s / "overlays" / name) for name in OVERLAYS}


@pytest.fixture(params=OVERLAYS)
def text(request: pytest.FixtureRequest, built: dict[str, str]) -> str:
    return built[request.param]


@pytest.fixture
def objects(text: str) -> list[Object]:
    return objects_of(text)


@pytest.fixture
def ours(objects: list[Object]) -> list[Pod]:
    return pods(objects)
