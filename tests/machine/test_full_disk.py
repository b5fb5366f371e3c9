"""A disk that is full: the step is named, nothing is half-written, and the run goes on once there is space."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB. Mounting takes root: without it, skipped on a laptop, a failure in CI."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        reason = f"cannot mount a small file system: {mounted.stderr.strip()}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    yield disk
    subprocess.run(["umount", disk], check=True)


def schwarz(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", "from schwarz.cli import main; main()", *arguments]
    return subprocess.run(call, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


def test_a_full_disk_is_named_and_the_run_goes_on_once_there_is_space(small: Path, tmp_path: Path):
    run = small / "run"
    failed = schwarz("run", "tiny", "--runner", "python", "--strategies", "global", "--out", str(run), cwd=tmp_path)
    assert failed.returncode == 1
    assert "Error: data failed: no space left on the disk of" in failed.stderr
    assert f"resume {run}" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (run / "results.json").exists()
    subprocess.run(["mount", "-o", "remount,size=60m", small], check=True)
    resumed = schwarz("resume", str(run), cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert (run / "results.json").exists()
