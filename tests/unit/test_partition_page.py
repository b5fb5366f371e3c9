"""docs/partition.md keeps its word: its Python runs and prints what it says, and its command line is understood."""

import doctest
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from schwarz.cli.options import applied, split
from schwarz.config import Config, fields
from schwarz.presets import preset
from schwarz.reading import load

PAGE = Path(__file__).parents[2] / "docs" / "partition.md"


def test_the_python_of_the_page_prints_what_it_says() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted >= 10
    assert found.failed == 0


def rows() -> Iterator[str]:
    """The fields of the page's table, as they are written there."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `") and " = " in line:
            yield line.split("`")[1]


@pytest.mark.parametrize("row", list(rows()))
def test_a_field_of_the_table_is_read_as_it_stands(tmp_path: Path, row: str) -> None:
    (tmp_path / "mine.toml").write_text(f"[partition]\n{row}\n")
    assert isinstance(load(tmp_path / "mine.toml", preset("quickstart")), Config)


def test_the_flag_and_the_file_of_the_page_are_the_same_boxes(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    flag = page.partition("`--partition.boxes ")[2].partition("`")[0]
    (tmp_path / "mine.toml").write_text("[partition]\n" + next(row for row in rows() if row.startswith("boxes")))
    _, flags = split(shlex.split(f"--partition.boxes {flag}"), fields())
    assert applied(preset("tiny"), flags) == load(tmp_path / "mine.toml", preset("tiny"))
