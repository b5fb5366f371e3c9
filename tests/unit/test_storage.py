"""Fetching and adding with real DVC, in copies of one small repository whose remote is a folder."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schwarz import data, storage
from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import replacing
from schwarz.shell import dvc

CONFIG = """[core]
    remote = near
    analytics = false
    check_update = false
['remote "near"']
    url = ../remote
    verify = true
['remote "far"']
    url = s3://schwarz/dvc
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without git: one tracked set of three files, pushed to the folder `remote`, cache still full."""
    root = tmp_path_factory.mktemp("template")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text(CONFIG)
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (40, 3, 8, 8), dtype=np.uint8), np.arange(40) % 2
    np.savez(root / "own.npz", x_train=x, y_train=y, x_test=x[:6], y_test=y[:6])
    storage.add(root / "own.npz", "own", root)
    # What `dvc push` writes to a remote that is a folder is the cache's own layout.
    shutil.copytree(root / ".dvc/cache/files", root / "remote/files")
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "checkout"))


@pytest.fixture
def info(root: Path) -> data.DataInfo:
    return data.describe(root, "own")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def forget(info: data.DataInfo, *, cache: bool) -> None:
    """As in a fresh clone: no images, and with `cache` no cache either."""
    shutil.rmtree(info.folder)
    if cache:
        shutil.rmtree(info.dvc_file.parents[1] / ".dvc/cache")


def object_of(info: data.DataInfo, name: str, store: str) -> Path:
    """Where `store` (the cache or the remote) keeps a file of the set."""
    md5 = hashlib.md5((info.folder / name).read_bytes(), usedforsecurity=False).hexdigest()
    folder = info.dvc_file.parents[1] / {"cache": ".dvc/cache", "remote": "remote"}[store]
    path = folder / "files/md5" / md5[:2] / md5[2:]
    path.chmod(0o644)
    return path


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def test_a_fresh_checkout_gets_every_file_from_the_remote_in_silence(
    info: data.DataInfo, template: Path, capfd
) -> None:
    forget(info, cache=True)
    assert storage.fetch(info) == info.folder
    assert contents(info.folder) == contents(template / "datasets/own")
    assert storage.version(info.folder) == info.md5
    assert capfd.readouterr() == ("", "")


def test_a_whole_folder_needs_neither_cache_nor_remote(info: data.DataInfo, root: Path) -> None:
    shutil.rmtree(root / ".dvc")
    shutil.rmtree(root / "remote")
    assert storage.fetch(info) == info.folder


@pytest.mark.parametrize("keep", [0, 1, 500])
def test_absent_and_partial_files_of_a_killed_pull_are_made_whole(
    info: data.DataInfo, template: Path, keep: int
) -> None:
    (info.folder / "test-00.npz").unlink()
    partial = info.folder / "train-00.npz"
    partial.write_bytes(partial.read_bytes()[:keep])
    storage.fetch(info)
    assert contents(info.folder) == contents(template / "datasets/own")


def test_a_changed_file_is_named_and_kept(info: data.DataInfo) -> None:
    changed = info.folder / "train-00.npz"
    flip(changed)
    before = contents(info.folder)
    with pytest.raises(WrongInput, match=r"train-00\.npz: md5 .* says .* was changed") as caught:
        storage.fetch(info)
    assert f"`{dvc('checkout', '--force', info.dvc_file)}`" in str(caught.value)
    assert contents(info.folder) == before


def test_what_a_killed_process_was_writing_is_removed(info: data.DataInfo, template: Path) -> None:
    with replacing(info.folder / "train-00.npz") as ours:
        shutil.copyfile(info.folder / "train-00.npz", ours)
    for name in (ours.name, ".umgx1zjjpXgR4r188X5ivQ.tmp"):  # the other is DVC's
        (info.folder / name).write_bytes(b"half")
    storage.fetch(info)
    assert contents(info.folder) == contents(template / "datasets/own")


def test_a_foreign_file_is_named_unless_dvc_ignores_it(info: data.DataInfo) -> None:
    (info.folder / ".DS_Store").write_text("desktop")
    storage.fetch(info)
    (info.folder / "train-01.npz").write_bytes(b"more")
    with pytest.raises(WrongInput, match=r"train-01\.npz is no file of version [0-9a-f]{32}\.dir of 'own'"):
        storage.fetch(info)


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_object_of_the_cache_is_not_delivered(info: data.DataInfo, damage: Callable[[Path], None]) -> None:
    path = object_of(info, "train-00.npz", "cache")
    damage(path)
    path.chmod(0o444)  # as DVC leaves it: such an object DVC believes
    forget(info, cache=False)
    with pytest.raises(WrongInput, match=r"the cached object of train-00\.npz is damaged") as caught:
        storage.fetch(info)
    assert str(path) in str(caught.value)
    path.unlink()  # what the message says
    storage.fetch(info)


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_object_of_the_remote_is_named(info: data.DataInfo, root: Path, damage: Callable) -> None:
    damage(object_of(info, "train-00.npz", "remote"))
    forget(info, cache=True)
    with pytest.raises(
        WrongInput, match=r"train-00\.npz .*remote 'near' .* does not hold it, or holds it damaged"
    ) as text:
        storage.fetch(info)
    assert f"({root / 'remote'})" in str(text.value)
    assert f"If it was pushed to 'far': `{dvc('fetch', '-r', 'far', info.dvc_file)}`" in str(text.value)


def test_a_missing_object_of_the_remote_is_named(info: data.DataInfo) -> None:
    missing = object_of(info, "train-00.npz", "remote")
    missing.unlink()
    forget(info, cache=True)
    with pytest.raises(WrongInput, match=r"'near' .* does not give all of version") as text:
        storage.fetch(info)
    assert str(missing) in str(text.value)
    assert not info.folder.exists()


def test_a_remote_that_is_gone_is_named_with_the_set(info: data.DataInfo, root: Path) -> None:
    shutil.rmtree(root / "remote")
    forget(info, cache=True)
    with pytest.raises(WrongInput, match=r"listing of .*own\.dvc .*remote 'near' "):
        storage.fetch(info)


def test_an_unreachable_store_is_a_failure_with_its_cause(info: data.DataInfo, root: Path, monkeypatch) -> None:
    (root / ".dvc/config").write_text(CONFIG.replace("remote = near", "remote = far"))
    forget(info, cache=True)
    credentials = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in {**credentials, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        SchwarzError, match=r"remote 'far' \(s3://schwarz/dvc\) cannot be reached: .*127\.0\.0\.1:9"
    ) as text:
        storage.fetch(info)
    assert text.value.status == 1


def test_what_dvc_itself_refuses_is_said(info: data.DataInfo, root: Path) -> None:
    (root / ".dvc/config").write_text("[core]\n    remot = near\n")
    forget(info, cache=False)
    with pytest.raises(SchwarzError, match=r"`dvc fetch .*remot"):
        storage.fetch(info)


def test_an_added_set_is_tracked_described_and_the_same_version_when_added_again(
    root: Path, info: data.DataInfo
) -> None:
    added = storage.add(root / "own.npz", "own-too", root)
    assert (added.info.train, added.info.test, added.info.shape) == (40, 6, (3, 8, 8))
    assert added.notes == ("each image [3, 8, 8] is read as CHW",)
    assert storage.fetch(added.info) == root / "datasets/own-too"
    assert data.names(root) == ["own", "own-too"]
    twice = storage.track(root, "own")
    assert twice == info
    assert "meta:" in info.dvc_file.read_text().partition("meta:")[1]
    assert info.dvc_file.read_text().count("meta:") == 1


def test_adding_leaves_nothing_behind_when_dvc_fails(root: Path) -> None:
    shutil.rmtree(root / ".dvc/cache")
    (root / ".dvc/cache").write_text("in the way")
    with pytest.raises(SchwarzError, match="`dvc add"):
        storage.add(root / "own.npz", "fails", root)
    assert sorted(file.name for file in (root / "datasets").iterdir()) == ["own", "own.dvc"]


def test_outside_a_checkout_nothing_is_packed(template: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"no DVC checkout"):
        storage.add(template / "own.npz", "own", tmp_path)
    assert not (tmp_path / "datasets").exists()
