"""A set from a DVC remote by its md5: the committed sample, whose remote is a folder of this repository."""

import json
import os
import shutil
import signal
import subprocess
import sys
from hashlib import md5 as md5_of
from pathlib import Path

import pytest

from schwarz import data
from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import replacing
from schwarz.storage import pull, version
from tests.waiting import until

ROOT = Path(__file__).parents[2]
MD5 = data.describe(ROOT, "sample").md5
LARGEST = "train-00.npz"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "sample/files", tmp_path / "remote/files")).parent


@pytest.fixture
def pulled(tmp_path: Path, remote: Path) -> Path:
    pull(MD5, str(remote), tmp_path / "set")
    return tmp_path / "set"


def object_of(remote: Path, file: Path) -> Path:
    md5 = md5_of(file.read_bytes(), usedforsecurity=False).hexdigest()
    return remote / "files/md5" / md5[:2] / md5[2:]


def pulling(remote: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """A process that pulls."""
    code = "import sys, pathlib, schwarz.storage; schwarz.storage.pull(*sys.argv[1:3], pathlib.Path(sys.argv[3]))"
    return subprocess.Popen([sys.executable, "-c", code, MD5, str(remote), str(folder)])


def test_the_md5_and_the_remote_are_enough(pulled: Path) -> None:
    assert version(pulled) == MD5
    assert data.read(pulled, "test")[0].shape == (2000, 1, 28, 28)
    assert not [path for path in pulled.iterdir() if path.name.startswith(".")]


def test_a_whole_set_is_only_read(pulled: Path, remote: Path) -> None:
    before = {path: path.stat() for path in pulled.iterdir()}
    pull(MD5, str(remote), pulled)
    assert {path: path.stat().st_ino for path in pulled.iterdir()} == {path: at.st_ino for path, at in before.items()}


@pytest.mark.parametrize("keep", [0, 1, 5000])
def test_what_a_killed_pull_left_is_made_whole(pulled: Path, remote: Path, keep: int) -> None:
    (pulled / "test-00.npz").unlink()
    (pulled / LARGEST).write_bytes((pulled / LARGEST).read_bytes()[:keep])
    with replacing(pulled / LARGEST) as ours:
        pass
    for name in (ours.name, ".umgx1zjjpXgR4r188X5ivQ.tmp"):  # the other is DVC's
        (pulled / name).write_bytes(b"half")
    (pulled / ".pulling").mkdir()
    (pulled / ".pulling/half").write_bytes(b"half")
    pull(MD5, str(remote), pulled)
    assert version(pulled) == MD5


def test_a_pull_that_is_killed_is_gone_on_with(pulled: Path, remote: Path, tmp_path: Path) -> None:
    folder, path = tmp_path / "again", object_of(remote, pulled / LARGEST)
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)  # it hangs there, as at a store that does not answer
    process = pulling(remote, folder)
    until((folder / "test-00.npz").exists, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / LARGEST).exists()
    path.unlink()
    path.write_bytes(content)
    pull(MD5, str(remote), folder)
    assert version(folder) == MD5


def test_a_changed_file_is_named_and_kept(pulled: Path, remote: Path) -> None:
    (pulled / LARGEST).write_bytes(b"mine")
    with pytest.raises(WrongInput, match=rf"{LARGEST}: md5 .* but version {MD5} says .* was changed\. Move it"):
        pull(MD5, str(remote), pulled)
    assert (pulled / LARGEST).read_bytes() == b"mine"
    assert not (pulled / ".pulling").exists()


def test_a_file_of_no_version_is_named(pulled: Path, remote: Path) -> None:
    (pulled / ".DS_Store").write_text("desktop")
    pull(MD5, str(remote), pulled)
    (pulled / "train-07.npz").write_bytes(b"more")
    with pytest.raises(WrongInput, match=rf"train-07\.npz: is no file of version {MD5}\. Move it elsewhere"):
        pull(MD5, str(remote), pulled)


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"!" + content[1:]])
def test_a_damaged_object_is_not_delivered(pulled: Path, remote: Path, damage) -> None:
    path = object_of(remote, pulled / LARGEST)
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(damage(content))
    (pulled / LARGEST).unlink()
    with pytest.raises(SchwarzError, match=rf"{remote}: holds {LARGEST} damaged \(object files/md5/.*, .* bytes\)"):
        pull(MD5, str(remote), pulled)
    assert not (pulled / LARGEST).exists()
    path.write_bytes(content)
    pull(MD5, str(remote), pulled)
    assert version(pulled) == MD5


def test_what_the_remote_does_not_hold_is_named(pulled: Path, remote: Path, tmp_path: Path) -> None:
    object_of(remote, pulled / LARGEST).unlink()
    (pulled / LARGEST).unlink()
    with pytest.raises(SchwarzError, match=rf"{remote}: does not hold {LARGEST} \(object [0-9a-f]{{32}}\)\. Push"):
        pull(MD5, str(remote), pulled)
    with pytest.raises(SchwarzError, match=rf"does not hold the version's listing \(object {'0' * 32}\.dir\)"):
        pull("0" * 32, str(remote), tmp_path / "other")


def test_a_listing_that_leads_outside_is_refused(remote: Path, tmp_path: Path) -> None:
    listing = json.dumps([{"md5": "0" * 32, "relpath": "../outside"}]).encode()
    md5 = md5_of(listing, usedforsecurity=False).hexdigest()
    path = remote / "files/md5" / md5[:2] / f"{md5[2:]}.dir"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(listing)
    with pytest.raises(WrongInput, match=r"lists '\.\./outside': no file of a set"):
        pull(f"{md5}.dir", str(remote), tmp_path / "set")


@pytest.mark.parametrize("md5", ["", "sample", "../../x", "1c3d9c2306decd6d2d3afb18d7eefa4", f"{'0' * 32}.dir.dir"])
def test_what_is_no_md5_of_a_folder_is_refused(md5: str, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=f"data version '{md5}': is not 32 hex digits"):
        pull(md5, str(tmp_path), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_two_pulls_at_once_leave_one_whole_set(remote: Path, tmp_path: Path) -> None:
    processes = [pulling(remote, tmp_path / "set") for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert version(tmp_path / "set") == MD5
