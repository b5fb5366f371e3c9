"""Commands that can be copied, also where the virtual environment is not active."""

import sys
from pathlib import Path

import pytest

from schwarz.shell import dvc


def test_a_program_that_is_not_on_path_is_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "the venv"
    programs.mkdir()
    (programs / "dvc").touch(0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert dvc("checkout", "my set.dvc") == f"'{programs / 'dvc'}' checkout 'my set.dvc'"
    monkeypatch.chdir(tmp_path)
    assert dvc("pull") == "'the venv/dvc' pull"
    monkeypatch.setenv("PATH", str(programs))
    assert dvc("pull") == "dvc pull"
