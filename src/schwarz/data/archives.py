"""Downloaded archives, unpacked into a temporary folder: nothing is written outside it, no link is followed."""

import gzip
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from schwarz.errors import WrongInput

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
# All that tarfile, zipfile and their decompressors raise on bytes that are not what they should be; among them a
# member that is a file and a folder at once.
UNREADABLE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError),
    *(ValueError, NotImplementedError, RuntimeError, FileExistsError, NotADirectoryError, IsADirectoryError),
)


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack files and folders into `folder`; a link, a device and a name that leads out of it are refused."""
    try:
        if archive.suffix.lower() == ".zip":
            _unzip(archive, folder)
        else:
            _untar(archive, folder)
    except WrongInput:
        raise
    except UNREADABLE as fault:
        raise WrongInput(f"{archive}: not a whole archive ({fault}). Fetch it again.") from None


def _untar(archive: Path, folder: Path) -> None:
    with archive.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with (
        gzip.open(archive) if zipped else archive.open("rb") as stream,
        tarfile.open(fileobj=stream, mode="r:") as opened,
    ):
        for member in opened:  # one after the other: a listing first would decompress everything twice
            _inside(archive, member.name, plain=member.isreg() or member.isdir())
            opened.extract(member, folder, filter="data")
        while stream.read(2**20):  # to the end, where gzip keeps the checksum
            pass


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive was not made on Unix
            _inside(archive, member.filename, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            opened.extract(member, folder)


def _inside(archive: Path, name: str, *, plain: bool) -> None:
    """Refuse a member that is no plain file or folder, or whose name leads out of the folder."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if not plain or posix.is_absolute() or windows.drive or ".." in (*posix.parts, *windows.parts):
        why = "leads out of the archive" if plain else "is a link or a device"
        raise WrongInput(
            f"{archive}: its member {name!r} {why}. Nothing of it is used: fetch it from where it is kept."
        )
