"""The committed sample through git and DVC themselves, as a newcomer gets it: cloned, offline, with an empty HOME."""

import gzip
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from schwarz import data, storage
from schwarz.data.packed import archive

REPOSITORY = Path(__file__).parents[2]
ROWS = [0, 3, 4, 11, 16, 19, 20, 22, 23, 25, 27, 28, 31, 35, 36, 39, 42, 44, 47, 48]
PARTS = ("data.dvc", ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "sample")


def run(*command: str, cwd: Path, home: Path) -> str:
    """Run a command with an empty HOME and no proxy or store in its environment; its output, which has no warning."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of the data files of this one, as they are in the working tree."""
    root = tmp_path_factory.mktemp("origin")
    for part in PARTS:
        source, target = REPOSITORY / part, root / part
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "data")):
        run("git", *command, cwd=root, home=root)
    return root


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    run("git", "clone", "-q", str(origin), str(tmp_path / "clone"), cwd=tmp_path, home=tmp_path / "home")
    return tmp_path / "clone"


def dvc(*arguments: str, clone: Path) -> str:
    return run(sys.executable, "-m", "dvc", *arguments, cwd=clone, home=clone.parent / "home")


def test_git_clone_and_dvc_pull_give_the_sample_and_a_clean_status(clone: Path) -> None:
    dvc("pull", clone=clone)
    info = data.describe(clone, "sample")
    assert storage.version(info.folder) == info.md5
    x, y = data.read(info.folder, "train")
    assert (x.shape, np.bincount(y).tolist()) == ((12_000, 1, 28, 28), [1200] * 10)
    assert np.bincount(data.read(info.folder, "test")[1]).tolist() == [200] * 10
    assert "Permission is hereby granted" in (info.folder / "LICENSE.txt").read_text(encoding="utf-8")
    assert "up to date" in dvc("status", clone=clone)
    assert run("git", "status", "--short", cwd=clone, home=clone.parent) == ""
    assert list((clone.parent / "home").iterdir()) == []


def test_what_fetch_delivers_is_clean_to_dvc_and_git(clone: Path) -> None:
    storage.fetch(data.describe(clone, "sample"))
    assert "up to date" in dvc("status", clone=clone)
    assert run("git", "status", "--short", cwd=clone, home=clone.parent) == ""


def test_a_tarball_without_git_will_do(clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    info = data.describe(clone, "sample")
    assert storage.version(storage.fetch(info)) == info.md5


@pytest.mark.parametrize("delay_s", [0.0, 0.004])
def test_fetch_recovers_from_a_killed_pull(clone: Path, delay_s: float) -> None:
    info = data.describe(clone, "sample")
    pull = subprocess.Popen(
        [sys.executable, "-m", "dvc", "pull", "-q"], cwd=clone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while pull.poll() is None and not list(info.folder.glob("*")):
        time.sleep(0.0005)
    time.sleep(delay_s)
    pull.send_signal(signal.SIGKILL)
    pull.wait()
    assert storage.version(storage.fetch(info)) == info.md5
    assert "up to date" in dvc("status", clone=clone)


def test_an_added_set_is_ignored_by_git_but_for_its_dvc_file(clone: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    np.savez(clone.parent / "own.npz", x=x, y=np.arange(12) % 2)
    info = storage.add(clone.parent / "own.npz", "own", clone).info
    assert "datasets/own.dvc" in run("git", "status", "--short", "-uall", cwd=clone, home=clone.parent)
    assert "datasets/own/" not in run("git", "status", "--short", "-uall", cwd=clone, home=clone.parent)
    dvc("push", "datasets/own.dvc", clone=clone)
    shutil.rmtree(info.folder)
    shutil.rmtree(clone / ".dvc/cache")
    assert storage.version(storage.fetch(info)) == info.md5


def test_packing_the_committed_images_again_gives_the_committed_bytes(clone: Path) -> None:
    folder = storage.fetch(data.describe(clone, "sample"))
    x, y = data.read(folder, "test")
    assert archive({"x": x, "y": y.astype(np.uint8)}) == (folder / "test-00.npz").read_bytes()


def test_the_sample_is_a_balanced_choice_that_does_not_change(tmp_path: Path) -> None:
    make = runpy.run_path(str(REPOSITORY / "sample/make.py"), run_name="make")
    x = np.repeat(np.arange(50, dtype=np.uint8), 784)  # image i is painted i
    y = (np.arange(50) * 7 % 10).astype(np.uint8)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + x.tobytes()))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + y.tobytes()))
    images, labels = make["choose"](tmp_path, "train", 2)
    assert images.shape == (20, 1, 28, 28)
    assert images[:, 0, 0, 0].tolist() == ROWS
    assert np.bincount(labels).tolist() == [2] * 10
