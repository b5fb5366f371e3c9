"""The image that serves holds the libraries of the extra `serve` alone: whatever the command loads is among them."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOADED = """
import sys
import schwarz.cli.entry, schwarz.cli.serve, schwarz.serving.server, schwarz.serving.pictures
import schwarz.serving.rpc.server
import schwarz.config, schwarz.storage.s3
import uvloop
for name, module in list(sys.modules.items()):
    if "site-packages" in (getattr(module, "__file__", None) or ""):
        print(name.split(".")[0])
"""


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;(]", requirement)[0]).lower()


def with_needs(names: set[str]) -> set[str]:
    """Distributions, and all that they require."""
    found: set[str] = set()
    while names:
        found |= names
        lines = (line for name in names for line in requires(name) or [] if "extra ==" not in line)
        names = {normal(line) for line in lines if not line.rstrip().endswith('python_version < "3.11"')} - found
        names &= {normal(name) for each in packages_distributions().values() for name in each}
    return found


def test_all_that_serving_loads_is_in_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = {normal(line) for line in project["optional-dependencies"]["serve"]}
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    distributions = {**packages_distributions(), "google": ["protobuf"]}  # of that name's many this one is meant
    loaded = {normal(name) for package in set(done.stdout.split()) for name in distributions.get(package, [])}
    taken_where_it_is = {"brotli"}  # by urllib3
    assert loaded - with_needs(listed) - {"setuptools", "schwarz"} - taken_where_it_is == set()
    assert listed <= loaded
    assert with_needs(listed).isdisjoint({"torch", "kfp", "mlflow", "dvc", "onnx"})
