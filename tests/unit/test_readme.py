"""The README keeps its word: its quick commands work, no figure is left out, and no link on any page is dead.

A code block is run when the line `<!-- test: fast -->` stands before it. Of a block, the lines that start with
`schwarz` or `.venv/bin/schwarz` (after a `$ ` if there is one) are commands, everything else is their output.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MADE_BY_COMMANDS = {"runs", "train.yaml"}
BLOCK = re.compile(r"^<!-- test: fast -->\n+```\w*\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(schwarz .*)$", flags=re.MULTILINE)
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "docker/*.md", "k8s/**/*.md", "components/**/*.md", "benchmarks/*.md")
    for page in ROOT.glob(pattern)
)


def fast_commands() -> list[str]:
    text = README.read_text(encoding="utf-8")
    return [command for block in BLOCK.findall(text) for command in COMMAND.findall(block)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout, so that a command finds its data and writes nothing into the real one."""
    for entry in ROOT.iterdir():
        if entry.name not in MADE_BY_COMMANDS:
            (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


def test_the_fast_commands_work(checkout: Path, subtests: pytest.Subtests) -> None:
    commands = fast_commands()
    assert commands, "README.md has no block of `schwarz` commands after a line `<!-- test: fast -->`"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        with subtests.test(command):
            done = subprocess.run(
                shlex.split(command, comments=True), cwd=checkout, env={**os.environ, "PATH": path},
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stderr == ""


def test_every_figure_is_filled_in() -> None:
    assert not re.search(r"^    [A-Z]+$", README.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
