"""The completion scripts, run by the shells that read them."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schwarz.config import fields

CASES = [
    ("", {"run", "data", "doctor"}, {"tiny"}),
    ("ru", {"run", "runs"}, {"data"}),
    ("run ", {"tiny", "quickstart", "--out"}, {"doctor"}),
    ("run --local.e", {"--local.epochs"}, {"--local.lr"}),
    ("run tiny --runner ", {"subprocess", "python"}, {"tiny"}),
    ("run tiny --local.schedule ", {"constant", "cosine"}, set()),
    ("run tiny --export.strategy co", {"coarse", "composed", "coherent"}, {"global"}),
    ("data ", {"add", "show"}, {"run"}),
    ("data add --s", {"--size", "--skip-bad"}, {"--name"}),
    ("completion ", {"bash", "zsh", "fish"}, set()),
    ("run --config mi", {"mine.toml"}, {"tiny"}),
    ("resume ", {"folder", "--runner"}, {"tiny", "mine.toml", "@run"}),
    ("data add ", {"folder", "mine.toml"}, {"@file"}),
    ("data show ", {"sample"}, {"mine.toml"}),
]


def bash(script: Path, line: str) -> list[str]:
    """What bash is asked, as its readline would."""
    words = ["schwarz", *line.split(" ")]
    array = " ".join(f"'{word}'" for word in words)
    ask = f'. {script}; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _schwarz; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return ["bash", "-uc", ask]


def fish(script: Path, line: str) -> list[str]:
    """What fish is asked; it adds options by itself once a dash is typed."""
    return ["fish", "-c", f"source {script}; complete -C 'schwarz {line}' | cut -f1"]


ASK = {shell.__name__: shell for shell in (bash, fish) if shutil.which(shell.__name__)}  # bash is everywhere


@pytest.mark.parametrize("shell", ASK)
@pytest.mark.parametrize(("line", "there", "absent"), CASES, ids=[line for line, _, _ in CASES])
def test_the_shell_completes(
    schwarz: Callable[..., Any], tmp_path: Path, shell: str, line: str, there: set[str], absent: set[str]
) -> None:
    script = tmp_path / "script"
    script.write_text(schwarz("completion", shell).out)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "folder").mkdir()
    done = subprocess.run(ASK[shell](script, line), capture_output=True, text=True, check=True, cwd=tmp_path)
    offered = {word.rstrip("/") for word in done.stdout.split()}
    assert done.stderr == ""
    assert (there if shell == "bash" else {word for word in there if word[0] != "-" or "-" in line}) <= offered
    assert shell == "fish" or not absent & offered  # fish also offers what only resembles the word


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_field_is_completed(schwarz: Callable[..., Any], shell: str) -> None:
    script = schwarz("completion", shell).out
    assert all((f"-l {name}" if shell == "fish" else f"--{name}") in script for name in fields())


@pytest.mark.parametrize("shell", [s for s in ("bash", "zsh", "fish") if shutil.which(s)])
def test_the_shell_accepts_the_script(schwarz: Callable[..., Any], tmp_path: Path, shell: str) -> None:
    script = tmp_path / "script"
    script.write_text(schwarz("completion", shell).out)
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
