"""Versioned storage of the data sets in a checkout: the only module that speaks to DVC.

DVC moves objects between a remote and the local cache; what lands in a set's folder is copied and checked here, since
DVC itself delivers a damaged object with exit status 0 and stops at the partial file that a killed pull leaves behind.
DVC works in a child process (`python -m schwarz.storage.sets`): none of its output, locks or threads reach ours.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from schwarz.data.info import DataInfo, describe, dvc_file_of
from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import read_json, tree, write_atomic
from schwarz.locks import locked
from schwarz.shell import dvc

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a disk that is full says, or a limit on it
IGNORED = (".DS_Store", "Thumbs.db")  # as in .dvcignore
# The name under which DVC, or `schwarz.files`, writes a file before it takes its place.
UNFINISHED = re.compile(r"\.[\w-]{22}\.tmp|\..+\.[a-z0-9_]{8}\.(npz|json|txt)")


@dataclass(frozen=True)
class Added:
    """A set that was packed and tracked, and what a person should know of how it was read."""

    info: DataInfo
    notes: tuple[str, ...]
    skipped: tuple[str, ...]  # images left out, with the reason


def add(
    path: Path,
    name: str,
    root: Path,
    *,
    size: tuple[int, ...] | None = None,
    window: tuple[float, float] | None = None,
    skip_bad: int = 0,
) -> Added:
    """Pack the images at `path` (see `schwarz.data.adding.build`) and track them: both, or nothing is left behind."""
    from schwarz.data.adding import build  # numpy and Pillow, which fetching does not need

    _checkout(dvc_file_of(root, name))
    packed = build(path, name, root, size=size, window=window, skip_bad=skip_bad)
    try:
        info = track(root, name)
    except BaseException:  # Ctrl-C too: without its .dvc file the folder would only be in the way of the next try
        shutil.rmtree(packed.folder)
        dvc_file_of(root, name).unlink(missing_ok=True)
        raise
    return Added(info, packed.notes, packed.skipped)


def fetch(info: DataInfo) -> Path:
    """Make the set's folder present and whole, and return it.

    Every file is compared with the md5 in the version's listing. Absent and partial files are delivered from the cache,
    which DVC fills from the default remote. A file that was changed is an error, never overwritten.
    """
    if not _whole(info):
        with locked(_checkout(info.dvc_file) / ".dvc/tmp/schwarz.lock"):
            _repair(info)
    return info.folder


def track(root: Path, name: str) -> DataInfo:
    """Add the packed folder of the set `name` to DVC and write its description into the .dvc file."""
    dvc_file = dvc_file_of(root, name)
    folder = dvc_file.with_suffix("")
    _dvc("add", root, folder)
    meta = {key: value for key, value in read_json(folder / "meta.json").items() if key != "source"}
    by_dvc, *_ = dvc_file.read_text(encoding="utf-8").partition("meta:\n")
    import yaml  # not for whoever serves a model from a store

    ours = yaml.safe_dump({"meta": meta}, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    write_atomic(dvc_file, by_dvc + ours)
    return describe(root, name)


def version(folder: Path) -> str:
    """The md5 that DVC gives a folder: of the listing of its files' md5s."""
    return _md5(listed(folder)[1]) + ".dir"


def listed(folder: Path) -> tuple[dict[str, str], bytes]:
    """The md5 of every file of a folder, and DVC's listing of them, byte for byte."""
    md5s = {file.relative_to(folder).as_posix(): _md5(file.read_bytes()) for file in _files(folder)}
    listing = [{"md5": md5, "relpath": name} for name, md5 in sorted(md5s.items())]
    return md5s, json.dumps(listing, sort_keys=True).encode()


def _whole(info: DataInfo) -> bool:
    return info.folder.is_dir() and version(info.folder) == info.md5


def _repair(info: DataInfo) -> None:
    """Deliver what is absent or partial, remove what a killed process was writing, and name what else is wrong."""
    cache, note = _fill_cache(info)
    entries = json.loads(_object(cache, info.md5, f"the listing of {info.dvc_file}", note))
    listing = {entry["relpath"]: entry["md5"] for entry in entries}
    for name, md5 in listing.items():
        _deliver(_object(cache, md5, name, note), info.folder / name, info)
    for file in _files(info.folder):
        if UNFINISHED.fullmatch(file.name):
            file.unlink()
        elif file.relative_to(info.folder).as_posix() not in listing:
            raise WrongInput(f"{file} is no file of version {info.md5} of {info.name!r}. Move it elsewhere.")


def _deliver(content: bytes, target: Path, info: DataInfo) -> None:
    """Write `content` to `target`, unless it is there; only a partial copy of it may be overwritten."""
    present = target.read_bytes() if target.exists() else b""
    if present == content:
        return
    if not content.startswith(present):
        message = f"{target}: md5 {_md5(present)}, but version {info.md5} of {info.name!r} says {_md5(content)}"
        raise WrongInput(
            f"{message}: it was changed. `{dvc('checkout', '--force', info.dvc_file)}` restores the version."
        )
    write_atomic(target, content)


def _object(cache: Path, md5: str, name: str, note: str) -> bytes:
    """The whole bytes of one object of the cache, checked against their md5; `name` is the file they belong to."""
    path = cache / md5[:2] / md5[2:]
    if not path.exists():
        raise WrongInput(f"{name} (object {md5}) is in no cache here, and DVC did not get it. {note}")
    content = path.read_bytes()
    if _md5(content) != md5.removesuffix(".dir"):
        message = f"{path}: the cached object of {name} is damaged (md5 {_md5(content)}, {len(content)} bytes)"
        raise WrongInput(f"{message}. Remove that file, then run again: it is fetched anew.")
    return content


def _fill_cache(info: DataInfo) -> tuple[Path, str]:
    """Ask DVC for all objects of a set; where its cache lies, and what to say of an object that is still missing."""
    done = _dvc("fetch", _checkout(info.dvc_file), info.dvc_file)
    answer = json.loads(done.stdout)
    remote = f"the remote {answer['remote']!r} ({answer['url']})"
    other = " ".join(
        f"If it was pushed to {name!r}: `{dvc('fetch', '-r', name, info.dvc_file)}`." for name in answer["others"]
    )
    for line in done.stderr.splitlines():
        cause = line.removeprefix("ERROR: ")
        if "failed to connect" in line:
            remedy = "Check its address, the network and the AWS_ environment, then run again."
            raise SchwarzError(f"{info.name}: {remote} cannot be reached: {cause}. {remedy}")
        if "failed to transfer" in line:
            raise WrongInput(f"{info.name}: {remote} does not give all of version {info.md5}: {cause}. {other}")
    return Path(answer["cache"]), f"T{remote[1:]} does not hold it, or holds it damaged. {other}"


def _checkout(dvc_file: Path) -> Path:
    root = next((folder for folder in dvc_file.absolute().parents if (folder / ".dvc").is_dir()), None)
    if root is None:
        raise WrongInput(f"{dvc_file} lies in no DVC checkout: there is no .dvc folder above it. Change to a checkout.")
    return root


def _dvc(task: str, root: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Run one task of `_child`."""
    command = [sys.executable, "-W", "ignore", "-m", "schwarz.storage.sets", task, str(root), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.strip().splitlines()
    # of `add` DVC says so in passing, and goes on as if all were in the cache; `fetch` is told of it by its caller
    lost = [line.removeprefix("ERROR: ") for line in lines if "failed to transfer" in line and task == "add"]
    if done.returncode or lost:
        cause = lost[:1] or lines[-1:] or [f"exit status {done.returncode}"]
        system = re.search(r"\[Errno (\d+)\]", cause[0])
        if system and int(system[1]) in NO_ROOM:
            raise OSError(int(system[1]), os.strerror(int(system[1])), str(target))
        raise SchwarzError(f"`dvc {task} {target}` failed: {cause[0]}")
    return done


def _child(task: str, root: str, target: str) -> None:
    """What runs in the child: one DVC command on one target. `fetch` prints where cache and default remote lie."""
    from dvc.exceptions import FileTransferError
    from dvc.repo import Repo
    from dvc.repo.add import add as add_folder
    from dvc.repo.fetch import fetch as fetch_objects

    # Only `add` has anything to tell git: what to ignore. A checkout without git (a tarball) is fine.
    no_scm = task == "fetch" or not (Path(root) / ".git").exists()
    settings = {"core": {"no_scm": no_scm, "analytics": False, "autostage": False}}
    with Repo(root, config=settings, _wait_for_lock=True) as repo:
        if task == "add":
            try:
                add_folder(repo, [target])
            finally:  # where the disk is full DVC leaves what it was writing, and the space stays taken
                with repo.lock:
                    for file in Path(repo.cache.local.path).rglob(".*.tmp"):
                        file.unlink()
            return
        # What is missing afterwards is found, and named, by the parent.
        with suppress(FileTransferError):
            fetch_objects(repo, targets=[target])
        remote, name = repo.cloud.get_remote_odb(), repo.config["core"]["remote"]
        url = remote.fs.unstrip_protocol(remote.path).removesuffix("/files/md5")
        others = [other for other in repo.config["remote"] if other != name]
        print(json.dumps({"cache": repo.cache.local.path, "remote": name, "url": url, "others": others}))


def _files(folder: Path) -> list[Path]:
    """Every file below a folder that DVC would count too."""
    return [file for file in tree(folder) if file.name not in IGNORED]


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    _child(*sys.argv[1:])
