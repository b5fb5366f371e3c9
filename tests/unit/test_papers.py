"""docs/papers.md says where each equation of the papers lives: every `file:name` on it exists, every file on it too."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`([\w./-]+\.py):([\w.]+)`", PAGE)))
FILES = sorted(set(re.findall(r"`([\w-]+(?:/[\w.-]+)+\.(?:py|md|toml))`", PAGE)))


def defined(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Dotted names of the functions, classes, methods and constants that a list of statements defines."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(prefix + statement.name)
        elif isinstance(statement, ast.ClassDef):
            names |= {prefix + statement.name} | defined(statement.body, f"{prefix}{statement.name}.")
        elif isinstance(statement, ast.Assign):
            names |= {prefix + target.id for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(prefix + statement.target.id)
    return names


@pytest.mark.parametrize(("file", "name"), NAMES, ids=[":".join(pair) for pair in NAMES])
def test_name_exists(file: str, name: str) -> None:
    assert name in defined(ast.parse((ROOT / file).read_text(encoding="utf-8")).body)


@pytest.mark.parametrize("file", FILES)
def test_file_exists(file: str) -> None:
    assert (ROOT / file).is_file()


@pytest.mark.parametrize("document", range(1, 6))
def test_every_document_has_a_section(document: int) -> None:
    assert re.search(rf"^## {document}\. ", PAGE, flags=re.MULTILINE)


def test_the_page_names_code() -> None:
    assert len(NAMES) > 10, "docs/papers.md names almost no code: is `file.py:name` still how it writes a name?"


def test_every_row_of_a_table_names_code() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| in the document")]
    assert [row for row in rows if not re.search(r"`[\w./-]+\.py(:[\w.]+)?`", row)] == []
