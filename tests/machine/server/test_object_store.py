"""A real object store: what is kept in it; what happens when it goes away, hangs, comes back, or holds other bytes."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio

from schwarz import data
from schwarz.errors import WrongInput
from schwarz.files import sha256
from schwarz.stack import Seaweed
from schwarz.storage import (
    NoObject,
    ObjectChanged,
    ObjectDamaged,
    Patience,
    Store,
    StoreAway,
    open_store,
    pull,
    ready,
    version,
)
from schwarz.storage.s3 import PIECE
from tests.waiting import until

ROOT = Path(__file__).parents[3]
SIZE = 4 * PIECE + 12345


@pytest.fixture(scope="module")
def server(room: Path) -> Iterator[Seaweed]:
    server = Seaweed(room / "objects")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def store(server: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()  # where a test has ended it
    return open_store("s3://schwarz/store")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of many pieces."""
    path = tmp_path_factory.mktemp("large") / "large"
    with path.open("wb") as file:
        for _ in range(0, SIZE, 2**20):
            file.write(os.urandom(2**20))
        file.truncate(SIZE)
    return path


def client(server: Seaweed) -> Minio:
    """The plain client, as somebody else would use it."""
    keys = [server.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    return Minio(server.address.removeprefix("http://"), *keys, secure=False, region="us-east-1")


def written(folder: Path) -> int:
    """Bytes in what is being written to a folder."""
    return sum(path.stat().st_size for path in folder.glob(".*"))


def held(server: Seaweed) -> int:
    """Bytes on the store's disk."""
    return sum(path.stat().st_size for path in server.folder.rglob("*.dat"))


def running(server: Seaweed) -> int:
    """Its pid."""
    assert server.process is not None
    return server.process.pid


def no_secret(server: Seaweed, text: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert server.environment[name] not in text


def every(source: Path, folder: Path) -> list[Callable[[Store], object]]:
    """Each thing that can be asked of a store."""
    return [
        lambda store: store.find("x"),
        lambda store: store.put(source, "x"),
        lambda store: store.get("x", folder / "x"),
        lambda store: store.read("x", 0, 1, "v"),
        lambda store: list(store.list()),
        lambda store: store.remove("x"),
    ]


def test_of_many_that_replace_the_same_version_all_but_the_first_are_refused(store: Store, tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(8)]
    for file in files:
        file.write_text(file.name)
    seen = None
    for _ in range(5):
        refused = list[str]()

        def replace(file: Path, seen: str | None, refused: list[str]) -> None:
            try:
                store.replace(file, "replaced", seen)
            except ObjectChanged:
                refused.append(file.name)

        threads = [threading.Thread(target=replace, args=(file, seen, refused)) for file in files]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = {file.name for file in files} - set(refused)
        assert store.read("replaced", 0, 1).decode() in done
        assert len(done) <= 2  # on a busy machine SeaweedFS was seen to let a second one through, once in hundreds
        found = store.find("replaced")
        assert found
        seen = found.version
    with pytest.raises(ObjectChanged, match="s3://schwarz/store/gone: was written anew, and stays as it is"):
        store.replace(files[0], "gone", seen)


def test_what_is_put_comes_back_whole_and_is_written_once(store: Store, large: Path, tmp_path: Path) -> None:
    assert store.put(large, "boxes/0/x.npy") == sha256(large)
    found = store.find("boxes/0/x.npy")
    assert found is not None
    assert (found.size, found.sha256) == (SIZE, sha256(large))
    assert store.get("boxes/0/x.npy", tmp_path / "x.npy") == SIZE
    assert sha256(tmp_path / "x.npy") == sha256(large)
    with large.open("rb") as file:
        file.seek(PIECE - 5)
        assert store.read("boxes/0/x.npy", PIECE - 5, 10, found.version) == file.read(10)
    began = time.monotonic()
    store.put(large, "boxes/0/x.npy")
    again = store.find("boxes/0/x.npy")
    assert again == found
    assert time.monotonic() - began < 5
    assert [(each.key, each.size) for each in store.list("boxes/")] == [("boxes/0/x.npy", SIZE)]
    assert [each.key for each in open_store("s3://schwarz").list("store/bo")] == ["store/boxes/0/x.npy"]
    store.remove("boxes/0/x.npy")
    store.remove("boxes/0/x.npy")
    assert store.find("boxes/0/x.npy") is None
    assert not [thread for thread in threading.enumerate() if thread.name == "piece"]


KEYS = ("sp ace+plus%41&=?#", "ünïcode/名.bin", "quote'\"<>&.txt", "t~ilde!*()", "a:b;c,d@e$f", "trail. ", "x" * 200)


def test_keys_of_odd_characters_and_empty_objects(store: Store, tmp_path: Path) -> None:
    for number, key in enumerate(KEYS):
        (tmp_path / "source").write_bytes(b"?" * number)
        store.put(tmp_path / "source", f"odd/{key}")
        assert store.get(f"odd/{key}", tmp_path / "target") == number
        assert (tmp_path / "target").read_bytes() == b"?" * number
        assert store.read(f"odd/{key}", 0, number) == b"?" * number
    assert sorted(each.key for each in store.list("odd/")) == sorted(f"odd/{key}" for key in KEYS)


def test_a_server_that_is_killed_during_a_get_and_started_again(
    store: Store, server: Seaweed, large: Path, tmp_path: Path
) -> None:
    store.put(large, "killed")
    told: list[str] = []
    asked = threading.Thread(target=open_store(store.uri, say=told.append).get, args=("killed", tmp_path / "x"))
    pid = running(server)
    asked.start()
    until(lambda: written(tmp_path) > 0, every_s=0.0002)
    os.kill(pid, signal.SIGKILL)
    server.kill()  # it knows of it too
    until(lambda: bool(told))
    assert asked.is_alive()
    assert list(tmp_path.glob("x")) == []
    server.start()
    asked.join(60)
    assert sha256(tmp_path / "x") == sha256(large)
    assert told[0].startswith(f"{server.address} does not answer (")
    assert told[1].startswith(f"{server.address} answers again, after")
    no_secret(server, " ".join(told))


def test_a_server_that_is_killed_during_a_put_and_started_again(
    store: Store, server: Seaweed, large: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    asked = threading.Thread(target=open_store(store.uri, say=told.append).put, args=(large, "put"))
    before, pid = held(server), running(server)
    asked.start()
    until(lambda: held(server) > before, every_s=0.0005)
    os.kill(pid, signal.SIGKILL)
    server.kill()
    until(lambda: bool(told))
    server.start()
    asked.join(60)
    assert store.get("put", tmp_path / "x") == SIZE
    assert sha256(tmp_path / "x") == sha256(large)


def test_a_server_that_hangs_during_a_get(store: Store, server: Seaweed, large: Path, tmp_path: Path) -> None:
    store.put(large, "hung")
    patient = open_store(store.uri, Patience(answer_s=1))
    asked = threading.Thread(target=patient.get, args=("hung", tmp_path / "x"))
    pid = running(server)
    asked.start()
    until(lambda: written(tmp_path) > 0, every_s=0.0002)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    assert asked.is_alive()
    os.kill(pid, signal.SIGCONT)
    asked.join(60)
    assert sha256(tmp_path / "x") == sha256(large)


@pytest.mark.parametrize("what", ["get", "put"])
def test_ctrl_c_ends_at_once_though_the_server_hangs(
    store: Store, server: Seaweed, large: Path, tmp_path: Path, what: str
) -> None:
    store.put(large, "interrupted")
    calls = {
        "get": "store.get('interrupted', Path(sys.argv[2]) / 'x')",
        "put": "store.put(Path(sys.argv[1]), 'new')",
    }
    code = f"import sys; from pathlib import Path; from schwarz.storage import *; store = open_store({store.uri!r})"
    call = [sys.executable, "-c", f"{code}; {calls[what]}", str(large), str(tmp_path)]
    before, pid = held(server), running(server)
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    until(lambda: written(tmp_path) + held(server) - before > 0, process, 0.0002)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - began < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    assert process.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    no_secret(server, said)
    assert list(tmp_path.iterdir()) == []
    assert list(store.list("new")) == []


def test_an_object_that_is_written_anew_is_named_and_never_mixed(
    store: Store, server: Seaweed, large: Path, tmp_path: Path
) -> None:
    value = store.put(large, "changed")
    found = store.find("changed")
    assert found is not None

    def get() -> None:
        with suppress(ObjectChanged):
            store.get("changed", tmp_path / "x")

    asked = threading.Thread(target=get)
    asked.start()
    until(lambda: written(tmp_path) > 0, every_s=0.0002)
    client(server).put_object("schwarz", "store/changed", BytesIO(b"other"), 5)
    asked.join(60)
    assert [sha256(path) for path in tmp_path.iterdir()] in ([], [value])  # as the store still had it, or nothing
    with pytest.raises(ObjectChanged, match=r"s3://schwarz/store/changed: was written anew while it was read\. Resume"):
        store.read("changed", 0, 4, found.version)
    with pytest.raises(ObjectDamaged, match=f"expected is {value}: it was damaged or written anew"):
        store.get("changed", tmp_path / "y", value)


def test_other_bytes_than_were_put_are_not_delivered(store: Store, server: Seaweed, tmp_path: Path) -> None:
    """As somebody who can write to the bucket would leave them: with the sum of the true ones."""
    (tmp_path / "true").write_bytes(b"true")
    value = store.put(tmp_path / "true", "tampered")
    client(server).put_object("schwarz", "store/tampered", BytesIO(b"evil"), 4, metadata={"sha256": value})
    with pytest.raises(ObjectDamaged, match=rf"s3://schwarz/store/tampered: its sha256 is .*, expected is {value}"):
        store.get("tampered", tmp_path / "target")
    client(server).put_object("schwarz", "store/tampered", BytesIO(b"evil"), 4)
    with pytest.raises(ObjectDamaged):
        store.get("tampered", tmp_path / "target", value)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_keys_are_named_at_once(
    store: Store, server: Seaweed, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "another-than-it-knows")
    for ask in every(large, tmp_path):
        with pytest.raises(
            WrongInput, match=rf"{server.address}: does not know these keys .* Check AWS_ACC"
        ) as refused:
            ask(open_store(store.uri))
        assert "another-than-it-knows" not in str(refused.value)
        no_secret(server, str(refused.value))


def test_a_bucket_that_is_not_there_is_named_and_not_made(store: Store, server: Seaweed, large: Path, tmp_path: Path):
    for ask in every(large, tmp_path):
        with pytest.raises(WrongInput, match=rf"{server.address}: has no bucket 'elsewhere'\. Make it, or name"):
            ask(open_store("s3://elsewhere/store"))
    assert not client(server).bucket_exists("elsewhere")
    with pytest.raises(NoObject, match="s3://schwarz/store/absent: there is no such object at"):
        store.get("absent", tmp_path / "x")


def test_a_server_that_is_not_up_yet_is_waited_for_and_given_up_after_the_stated_time(
    store: Store, server: Seaweed
) -> None:
    server.stop()
    told: list[str] = []
    began = time.monotonic()
    with pytest.raises(StoreAway, match=rf"{server.address}: has not answered for 1 s \(Connection refused\)\. Is it"):
        ready(store, 1, told.append)
    assert 1 <= time.monotonic() - began < 3
    assert told == [f"{server.address} does not answer (Connection refused): waiting for it, 1 s at most"]
    later = threading.Timer(0.5, server.start)
    later.start()
    ready(store.uri, 30, told.append)
    later.join()
    assert told[-1].startswith(f"{server.address} answers again, after")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 MB. Mounting takes root: without it, skipped on a laptop, a failure in CI."""
    disk = tmp_path / "disk"
    disk.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk]
    mounted = subprocess.run(call, capture_output=True, text=True, check=False)
    if mounted.returncode:
        reason = f"cannot mount a small file system: {mounted.stderr.strip()}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_told_as_such_and_nothing_is_left_on_it(store: Store, large: Path, small: Path) -> None:
    store.put(large, "large")
    with pytest.raises(OSError, match="No space left on device"):
        store.get("large", small / "x")
    assert list(small.iterdir()) == []


def test_a_set_that_dvc_pushed_is_pulled_without_it(store: Store, server: Seaweed, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for part in ("data.dvc", ".dvc/config", "sample"):
        source, target = ROOT / part, checkout / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    (checkout / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    for command in (["fetch"], ["push", "-r", "store"]):
        call = [sys.executable, "-m", "dvc", *command, "-q"]
        subprocess.run(call, cwd=checkout, check=True, env={**os.environ, "HOME": str(tmp_path)})
    info = data.describe(ROOT, "sample")
    pull(info.md5, "s3://schwarz/dvc", tmp_path / "set")
    assert version(tmp_path / "set") == info.md5
