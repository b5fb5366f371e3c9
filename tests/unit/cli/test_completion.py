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


@pytest.mark.parametrize(("line", "there", "absent"), CASES, ids=[line for line, _, _ in CASES])
def test_bash_completes(
    schwarz: Callable[..., Any], tmp_path: Path, line: str, there: set[str], absent: set[str]
) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(schwarz("completion", "bash").out)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "folder").mkdir()
    words = ["schwarz", *line.split(" ")]
    array = " ".join(f"'{word}'" for word in words)
    ask = f'. {script}; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _schwarz; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-uc", ask], capture_output=True, text=True, check=True, cwd=tmp_path)
    offered = set(done.stdout.split())
    assert done.stderr == ""
    assert there <= offered
    assert not absent & offered


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
