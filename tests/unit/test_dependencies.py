"""pyproject.toml and constraints.txt say what the code needs: nothing undeclared, nothing unused, nothing unpinned."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"schwarz", "pipelines", "components"}
PLUGINS = {
    "dvc-s3",  # dvc loads it when a remote's address begins with s3://
    "onnxscript",  # torch.onnx.export imports it
    "uvloop",  # uvicorn loads it by its name
}


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {normal(re.split(r"[\[<>=]", line)[0]) for line in project["dependencies"]}


def imported() -> set[str]:
    """The distributions that the code imports, wherever in a file it does so."""
    roots: set[str] = set()
    for file in (file for folder in ("src", "pipelines", "components") for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                roots.add(node.module.split(".")[0])
    distributions = packages_distributions()
    foreign = roots - OURS - set(sys.stdlib_module_names)
    return {_main({normal(name) for name in distributions[root]}) for root in foreign}


def _main(sharing: set[str]) -> str:
    """Of the distributions that share a package, as kfp and kfp-pipeline-spec do, the one the others are parts of."""
    return min(sharing, key=len)


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    assert imported() == declared() - PLUGINS


def test_every_constraint_is_one_version_and_no_local_one() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line)] == []


def test_what_is_declared_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert declared() <= {normal(line.split("==")[0]) for line in lines if not line.startswith("#")}
