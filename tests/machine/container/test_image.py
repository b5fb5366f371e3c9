"""The image runs where a cluster's rules are strict, and holds what the checkout holds."""

import json
import re

from tests.machine.container.engine import ROOT, docker

STRICT = ("--rm", "--read-only", "--tmpfs=/tmp", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def python(image: str, code: str) -> str:
    return docker("run", *STRICT, image, "python", "-c", code)


def test_user_is_a_number_and_not_root(image: str) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", docker("inspect", "--format={{.Config.User}}", image).strip())


def test_versions_are_the_pinned_ones(image: str) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    installed = {name.lower().replace("_", "-"): version for name, version in json.loads(python(image, code)).items()}
    wanted = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    both = installed.keys() & wanted.keys()
    assert {"torch", "kfp", "mlflow", "onnx", "dvc"} <= both
    assert {n: installed[n].split("+")[0] for n in both} == {n: wanted[n] for n in both}


def test_it_holds_the_library_alone(image: str) -> None:
    code = (
        "from importlib.util import find_spec; print([bool(find_spec(n)) for n in ('schwarz', 'pipelines', 'tests')])"
    )
    assert python(image, code).strip() == "[True, False, False]"


def test_every_module_can_be_imported(image: str) -> None:
    code = """
import importlib, pkgutil, schwarz
for module in pkgutil.walk_packages(schwarz.__path__, "schwarz."):
    if not module.name.startswith("schwarz.cli") and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""
    assert {"schwarz.steps.train_local", "schwarz.export"} <= set(python(image, code).split())


def test_the_commit_is_known(image: str) -> None:
    commit = docker("inspect", '--format={{index .Config.Labels "org.opencontainers.image.revision"}}', image).strip()
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    assert python(image, "import os; print(os.environ['SCHWARZ_COMMIT'])").strip() == commit
