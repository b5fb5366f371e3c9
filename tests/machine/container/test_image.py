"""Every image runs where a cluster's rules are strict, holds the pinned versions, and nothing of how it was built."""

import json
import re
import subprocess

import pytest

from tests.machine.container.engine import ROOT, TARGETS, Images, about, docker, python

LABELS = "org.opencontainers.image."
INSIDE = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
HELD = {
    "serve": {"schwarz", "onnxruntime", "starlette", "uvicorn"},
    "mlflow": {"mlflow", "psycopg2-binary", "boto3", "flask-wtf"},
    "train": {"schwarz", "torch", "kfp", "mlflow", "onnx", "onnxscript", "dvc"},
}
NOT_HELD = {
    "serve": {"torch", "kfp", "mlflow", "dvc", "onnx", "pip"},
    "mlflow": {"torch", "kfp", "pip"},
    "train": {"pip"},
}
LARGEST_MB = {"serve": 250, "train": 2100}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("target", TARGETS)
def test_user_is_a_number_and_not_root(images: Images, target: str) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", about(images.name(target))["Config"]["User"])


@pytest.mark.parametrize("target", TARGETS)
def test_versions_are_the_pinned_ones(images: Images, target: str) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(name): version for name, _, version in (line.partition("==") for line in lines) if version}
    held = {normal(name): version for name, version in json.loads(python(images.name(target), INSIDE)).items()}
    assert HELD[target] <= held.keys()
    assert NOT_HELD[target].isdisjoint(held)
    assert {name: version.split("+")[0] for name, version in held.items() if name in pinned} == {
        name: pinned[name] for name in held.keys() & pinned
    }
    assert held.keys() - pinned.keys() <= {"schwarz", "setuptools"}


@pytest.mark.parametrize("target", LARGEST_MB)
def test_what_it_adds_to_its_base_is_bounded(images: Images, target: str) -> None:
    added_mb = (about(images.name(target))["Size"] - about(images.base)["Size"]) / 1e6
    print(f"{target}: {added_mb:.0f} MB above its base")
    assert added_mb <= LARGEST_MB[target]


@pytest.mark.parametrize("target", TARGETS)
def test_labels_say_what_it_is_and_what_it_was_built_from(images: Images, target: str) -> None:
    labels = about(images.name(target))["Config"]["Labels"]
    assert labels[f"{LABELS}title"] == images.name(target).split(":")[0]
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels[f"{LABELS}version"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels[f"{LABELS}revision"])
    assert labels[f"{LABELS}source"] == "https://example.org/schwarz.git"


@pytest.mark.parametrize("target", TARGETS)
def test_an_images_files_and_history_hold_no_secret_of_the_build(images: Images, target: str) -> None:
    """All of it: every layer as a file that `docker save` writes, its configuration, and what the engine tells."""
    assert f"someone:{images.secret}" in images.logins  # so that the build's pip did have it
    name = images.name(target)
    told = docker("history", "--no-trunc", name) + json.dumps(about(name))
    assert images.secret not in told
    assert "127.0.0.1" not in told
    with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as save:
        searched = subprocess.run(
            ["grep", "--binary-files=text", "--count", "--fixed-strings", images.secret],
            stdin=save.stdout, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert (save.returncode, searched.stdout.strip()) == (0, "0")


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_the_build_is_left(images: Images, target: str) -> None:
    code = "import os, sys; print([path for path in sys.argv[1:] if os.path.exists(path)])"
    places = ("/wheels", "/source", "/package", "/tree", "/opt/build", "/usr/local/bin/install-wheels", "/root/.cache")
    assert python(images.name(target), code, *places).strip() == "[]"


def test_it_holds_the_library_alone(train: str) -> None:
    code = (
        "from importlib.util import find_spec; print([bool(find_spec(n)) for n in ('schwarz', 'pipelines', 'tests')])"
    )
    assert python(train, code).strip() == "[True, False, False]"


def test_every_module_can_be_imported_and_is_compiled_already(train: str) -> None:
    code = """
import importlib, pkgutil, sys, schwarz
for module in pkgutil.walk_packages(schwarz.__path__, "schwarz."):
    if not module.name.startswith(("schwarz.cli", "schwarz.stack")) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
from pathlib import Path
loaded = [module.__spec__.cached for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
print("uncompiled", [path for path in loaded if path and path.startswith("/opt") and not Path(path).exists()])
"""
    *modules, compiled = python(train, code).splitlines()
    assert {"schwarz.steps.train_local", "schwarz.export"} <= set(modules)
    assert compiled == "uncompiled []"


def test_the_commit_is_known(train: str) -> None:
    commit = about(train)["Config"]["Labels"][f"{LABELS}revision"]
    assert python(train, "import os; print(os.environ['SCHWARZ_COMMIT'])").strip() == commit
