"""docs/library.md keeps its word: its blocks run one after the other, and print what stands below them."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```)?", flags=re.MULTILINE | re.DOTALL)
MEASURED = re.compile(r"\d\.\de-\d\d|-?\d[\d.]* <= \d[\d.]*")
"""Figures that depend on the machine in their last digits."""


def test_every_block_runs_and_prints_what_it_says() -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for code, expected in blocks:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102  # the page is ours
        assert MEASURED.sub("#", printed.getvalue()) == MEASURED.sub("#", expected)
    assert sum(bool(expected) for _, expected in blocks) >= 6
