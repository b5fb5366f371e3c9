"""The messages that docs/troubleshooting.md explains are those that the code has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
NOT_OURS = re.compile(r"\w+|/[\w/]+|schwarz \w+|kfp [\w -]+|\.\w+")
"""A word, a path or a command is not a message."""


def messages() -> list[str]:
    """What stands in backticks in the first column of a table."""
    rows = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    found = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    return [text for text in found if not NOT_OURS.fullmatch(text)]


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a program, what is filled in replaced by `...`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{\w*\}", "...", node.value)


@pytest.fixture(scope="module")
def said() -> str:
    files = [path for folder in ("src", "pipelines") for path in (ROOT / folder).rglob("*.py")]
    return "\n".join(text for path in files for text in texts(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("message", messages())
def test_the_code_says_it(said: str, message: str) -> None:
    parts = [re.escape(part.strip()) for part in message.split("...") if part.strip(" .")]
    assert re.search(r"[^\n]*".join(parts), said), message
