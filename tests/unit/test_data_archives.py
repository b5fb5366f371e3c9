"""Archives are unpacked in a temporary folder; what would leave it, or is a link, is refused before it is written."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from schwarz.data import read_meta
from schwarz.data.adding import build
from tests.unit.own_images import cut, draw, left, refuse


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for k, name in enumerate(("ant", "bee")):
        for i in range(4):
            draw(tmp_path / "photos" / name / f"{i}.png", seed=10 * k + i)
    return tmp_path / "photos"


def tar(photos: Path, file: Path) -> Path:
    with tarfile.open(file, "w:gz" if file.suffix in (".gz", ".tgz") else "w") as opened:
        opened.add(photos, "photos")
    return file


def zipped(photos: Path, file: Path) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(photos.rglob("*.png")):
            opened.write(path, path.relative_to(photos.parent))
    return file


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".zip", ".TGZ"])
def test_an_archive_gives_the_shards_of_its_folder_and_leaves_nothing_else(
    photos: Path, tmp_path: Path, suffix: str
) -> None:
    make = zipped if suffix == ".zip" else tar
    folder = build(make(photos, tmp_path / f"photos{suffix}"), "mine", tmp_path).folder
    assert left(tmp_path) == [f"datasets/mine{file}" for file in ("", "/meta.json", "/test-00.npz", "/train-00.npz")]
    assert read_meta(folder).source.startswith(f"photos{suffix}: ")
    plain = build(photos, "plain", tmp_path).folder
    for name in ("train-00.npz", "test-00.npz"):
        assert (folder / name).read_bytes() == (plain / name).read_bytes()


def test_a_fault_inside_an_archive_is_told_by_the_archive_s_name(photos: Path, tmp_path: Path) -> None:
    cut(photos / "ant/1.png")
    text = refuse("does not decode", tar(photos, tmp_path / "photos.tgz"), tmp_path)
    assert text.startswith(f"{tmp_path}/photos.tgz/photos/ant/1.png: ")
    packed = build(tmp_path / "photos.tgz", "mine", tmp_path, skip_bad=1)
    assert packed.skipped[0].startswith(f"{tmp_path}/photos.tgz/photos/ant/1.png: ")


def hostile_tar(file: Path, member: tarfile.TarInfo, content: bytes = b"") -> Path:
    member.size = len(content)
    with tarfile.open(file, "w:gz") as opened:
        opened.addfile(member, io.BytesIO(content))
    return file


def linked(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (tarfile.TarInfo("../../escaped"), r"member '\.\./\.\./escaped' leads out of the archive"),
        (tarfile.TarInfo("photos/../../../escaped"), "leads out of the archive"),
        (tarfile.TarInfo("{root}/escaped"), "leads out of the archive"),
        (linked("photos", tarfile.SYMTYPE, "{root}"), "member 'photos' is a link or a device"),
        (linked("photos/a.png", tarfile.SYMTYPE, "b.png"), "is a link or a device"),
        (linked("photos/a.png", tarfile.LNKTYPE, "../../../escaped"), "is a link or a device"),
        (linked("photos/a.png", tarfile.CHRTYPE, ""), "is a link or a device"),
        (linked("photos/a.png", tarfile.FIFOTYPE, ""), "is a link or a device"),
    ],
)
def test_a_hostile_tar_is_refused(tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    member.name, member.linkname = (text.format(root=tmp_path) for text in (member.name, member.linkname))
    content = b"" if member.type != tarfile.REGTYPE else b"harm"
    refuse(message, hostile_tar(tmp_path / "evil.tar.gz", member, content), tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] in (["evil.tar.gz", "datasets"], ["datasets", "evil.tar.gz"])


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("../../escaped", stat.S_IFREG, r"member '\.\./\.\./escaped' leads out of the archive"),
        ("/etc/escaped", stat.S_IFREG, "leads out of the archive"),
        ("..\\..\\escaped", 0, "leads out of the archive"),
        ("C:\\escaped", 0, "leads out of the archive"),
        ("photos/link", stat.S_IFLNK, "member 'photos/link' is a link or a device"),
    ],
)
def test_a_hostile_zip_is_refused(tmp_path: Path, name: str, mode: int, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as opened:
        member = zipfile.ZipInfo(name)
        member.external_attr = (mode | 0o644) << 16
        opened.writestr(member, "/etc/passwd")
    refuse(message, tmp_path / "evil.zip", tmp_path)
    assert not list(tmp_path.rglob("*escaped*"))
    assert not list(tmp_path.rglob("link"))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-6 if file.suffix == ".gz" else len(content) // 2] ^= 0xFF  # of gzip the checksum
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize(
    "damage",
    [lambda f: cut(f, 200), flip, lambda f: f.write_bytes(b""), lambda f: f.write_bytes(b"no archive"),
     lambda f: f.write_bytes(gzip.compress(b"no tar"))],
)  # fmt: skip
def test_a_damaged_archive_is_refused(
    photos: Path,
    tmp_path: Path,
    suffix: str,
    damage: Callable,
) -> None:
    file = (zipped if suffix == ".zip" else tar)(photos, tmp_path / f"photos{suffix}")
    damage(file)
    text = refuse(rf"photos{suffix}: not a whole archive \(.+\)\. Fetch it again", file, tmp_path)
    assert "\n" not in text


def test_a_member_that_is_a_file_and_a_folder_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as opened:
        for name in ("photos", "photos/a.png"):
            opened.addfile(tarfile.TarInfo(name))
    refuse("evil.tar: not a whole archive", tmp_path / "evil.tar", tmp_path)


def test_an_archive_of_something_else_is_answered_with_what_was_looked_for(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "kaggle.zip", "w") as opened:
        for name in ("train.zip", "test1.zip", "sampleSubmission.csv"):
            opened.writestr(name, "content")
    text = refuse("of no known layout", tmp_path / "kaggle.zip", tmp_path)
    assert text.startswith(f"{tmp_path}/kaggle.zip: ")
    assert f"Found: 3 files (.csv, .zip) in {tmp_path}/kaggle.zip" in text or "Found: 3 files (.zip, .csv)" in text
