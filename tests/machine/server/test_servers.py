"""The servers of the stack one by one: found again, not confused with a stranger's, moved off taken ports."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import read_json, write_json
from schwarz.stack import Postgres, Seaweed, Stack, server
from schwarz.stack.process import Account, Process, launch
from tests.machine.leaks import s3
from tests.waiting import until

CONTENT = os.urandom(3_000_000)

# A program whose first thread ends while another waits for the end of the input.
HEADLESS = """
import ctypes, sys, threading

threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def client(server: Seaweed, **changed: str) -> Any:
    """boto3's own client, with the environment that a server names."""
    return s3({**server.environment, **changed})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Another program's port."""
    with closing(socket.socket()) as taken:
        yield taken


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is none of ours, in a session of its own as a server is."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def occupy(listener: socket.socket, port: int) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()


def test_an_object_is_there_after_a_kill_and_after_a_stop(seaweed: Seaweed) -> None:
    seaweed.start()
    assert [bucket["Name"] for bucket in client(seaweed).list_buckets()["Buckets"]] == ["schwarz"]
    client(seaweed).put_object(Bucket="schwarz", Key="a/b", Body=CONTENT)
    for end in (seaweed.kill, seaweed.stop):
        before = seaweed.process
        end()
        assert before is not None
        assert not before.running()
        assert seaweed.process is None
        seaweed.start()
        assert client(seaweed).get_object(Bucket="schwarz", Key="a/b")["Body"].read() == CONTENT


def test_a_server_that_runs_is_left_alone(seaweed: Seaweed) -> None:
    seaweed.start()
    before = seaweed.process
    Seaweed(seaweed.folder).start()
    assert seaweed.process == before


def test_who_has_not_the_keys_gets_nothing_on_any_port(seaweed: Seaweed) -> None:
    seaweed.start()
    client(seaweed).put_object(Bucket="schwarz", Key="a", Body=b"mine")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(seaweed, AWS_SECRET_ACCESS_KEY="wrong").list_buckets()
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client(seaweed, AWS_ACCESS_KEY_ID="WRONG").list_buckets()
    for port, path in (("s3", "/schwarz/a"), ("filer", "/buckets/schwarz/a"), ("filer", "/buckets/")):
        with closing(HTTPConnection("127.0.0.1", seaweed.ports[port])) as connection:
            connection.request("GET", path)
            assert connection.getresponse().status in {401, 403}


def test_a_bucket_that_is_missing_is_not_made_by_writing_to_it(seaweed: Seaweed) -> None:
    seaweed.start()
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client(seaweed).put_object(Bucket="missing", Key="a", Body=b"x")


def test_a_port_that_another_program_took_is_left_to_it_and_the_objects_stay(
    seaweed: Seaweed, listener: socket.socket
) -> None:
    seaweed.start()
    client(seaweed).put_object(Bucket="schwarz", Key="a/b", Body=CONTENT)
    seaweed.stop()
    old, said = seaweed.ports, []
    occupy(listener, old["s3"])
    seaweed.start(said.append)
    new = seaweed.ports
    assert said == [
        "starting SeaweedFS",
        f"another program has taken port {old['s3']}: SeaweedFS moves from http://127.0.0.1:{old['s3']} "
        f"to http://127.0.0.1:{new['s3']}",
    ]
    assert not set(new.values()) & {old["s3"]}
    assert client(seaweed).get_object(Bucket="schwarz", Key="a/b")["Body"].read() == CONTENT


def test_a_given_port_that_is_taken_is_named(seaweed: Seaweed, listener: socket.socket) -> None:
    occupy(listener, seaweed.ports["filer"])
    given = Seaweed(seaweed.folder, seaweed.ports)
    with pytest.raises(SchwarzError, match=f"another program listens on port {seaweed.ports['filer']}. End it"):
        given.start()
    assert given.process is None


def test_a_process_runs_while_one_of_its_threads_does() -> None:
    """A server with many threads that is killed has its first one gone, and its ports still taken, for a moment."""
    with subprocess.Popen([sys.executable, "-c", HEADLESS], stdin=subprocess.PIPE, start_new_session=True) as child:
        found = psutil.Process(child.pid)
        process = Process(child.pid, found.create_time() - psutil.boot_time())
        until(lambda: found.status() == psutil.STATUS_ZOMBIE)
        assert process.running()
    assert not process.running()


def test_a_pid_that_belongs_to_another_process_by_now_is_not_killed(
    seaweed: Seaweed, stranger: "subprocess.Popen[bytes]"
) -> None:
    seaweed.start()
    seaweed.kill()
    state = seaweed.folder / "state.json"
    theirs = psutil.Process(stranger.pid).create_time() - psutil.boot_time()
    write_json(state, {**read_json(state), "process": {"pid": stranger.pid, "started_s": theirs - 0.01}})
    assert seaweed.process is None
    seaweed.stop()
    seaweed.start()
    assert stranger.poll() is None
    assert seaweed.process is not None
    assert seaweed.process.pid != stranger.pid


def test_two_stores_live_beside_each_other(seaweed: Seaweed, tmp_path: Path) -> None:
    other = Seaweed(tmp_path / "other")
    try:
        seaweed.start()
        other.start()
        assert not set(seaweed.ports.values()) & set(other.ports.values())
        client(seaweed).put_object(Bucket="schwarz", Key="a", Body=b"x")
        assert client(other).list_objects_v2(Bucket="schwarz")["KeyCount"] == 0
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            client(seaweed, AWS_ENDPOINT_URL=other.address).list_buckets()
        seaweed.stop()
        assert other.fault() is None
    finally:
        other.kill()


@pytest.fixture
def followed(tmp_path: Path) -> Path:
    """A file; `tail -f` of it is a process that goes on until it is ended, and can be told from all others."""
    file = tmp_path / "followed"
    file.touch()
    return file


def running(followed: Path) -> list[int]:
    """The processes that follow a file."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "tail" and str(followed) in process.cmdline():
                found.append(process.pid)
    return found


def test_a_server_that_could_not_be_written_down_never_runs(followed: Path) -> None:
    code = (
        "import os; from pathlib import Path; from schwarz.stack.process import Account, Process, launch\n"
        f"file = Path({str(followed)!r})\n"
        "launch(['tail', '-f', str(file)], os.environ, file.parent, lambda _: os._exit(9), Account())"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == 9
    time.sleep(0.5)
    assert running(followed) == []


def test_workers_that_outlive_their_killed_server_are_ended(followed: Path) -> None:
    folder, kept = followed.parent, []
    script = f"tail -f {followed} & tail -f {followed} & wait"
    server = launch(["/bin/sh", "-c", script], os.environ, folder, kept.append, Account())
    until(lambda: len(running(followed)) == 2)
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not server.running())
    server.end(signal.SIGTERM, "the folder of another stack", 5)
    assert len(running(followed)) == 2
    server.end(signal.SIGTERM, str(folder), 5)
    assert running(followed) == []
    assert kept == [server]


def test_a_server_that_ignores_its_signal_is_killed(followed: Path) -> None:
    script = f'trap "" TERM; tail -f {followed}; tail -f {followed}'
    server = launch(["/bin/sh", "-c", script], os.environ, followed.parent, lambda _: None, Account())
    until(lambda: len(running(followed)) == 1)
    server.end(signal.SIGTERM, str(followed.parent), 0.5)
    assert not server.running()
    assert running(followed) == []


def test_a_hung_store_is_silent_and_says_how_it_is_ended(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    seaweed.start()
    assert seaweed.process is not None
    os.kill(seaweed.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(Seaweed, "wait_s", 6)  # a minute in earnest; one request takes 5
    monkeypatch.setattr(server, "PATIENCE_S", 0.1)  # said after half a minute in earnest
    said: list[str] = []
    with pytest.raises(SchwarzError, match=r"does not answer at .* within 6 s: timed out.*stack down"):
        seaweed.start(said.append)
    assert said == [f"SeaweedFS does not answer yet. Its log is {seaweed.log}."]
    seaweed.kill()
    assert seaweed.process is None


def test_what_ends_at_once_is_told_with_its_last_words(seaweed: Seaweed) -> None:
    (seaweed.folder / "data").mkdir(parents=True)
    (seaweed.folder / "data" / "filerldb2").write_text("a file where its database should be")
    with pytest.raises(SchwarzError, match=f"SeaweedFS ended as soon as it was started: .*{seaweed.log}"):
        seaweed.start()
    assert seaweed.process is None


def test_a_damaged_state_is_named(seaweed: Seaweed) -> None:
    seaweed.folder.mkdir()
    (seaweed.folder / "state.json").write_text("{")
    with pytest.raises(WrongInput, match=f"{seaweed.folder / 'state.json'}: damaged"):
        seaweed.start()
    (seaweed.folder / "state.json").unlink()


@pytest.fixture
def postgres(room: Path) -> Iterator[Postgres]:
    """A database server of this test alone, not started yet. Where PostgreSQL cannot be used: skipped on a laptop, a
    failure in CI."""
    server = Postgres(room / "postgres")
    if reason := server.missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"PostgreSQL: {reason}")
    yield server
    server.kill()
    shutil.rmtree(server.folder)


def test_postgres_asks_for_its_password_and_keeps_its_tables(postgres: Postgres) -> None:
    import psycopg2

    postgres.start()
    uri = postgres.environment["MLFLOW_BACKEND_STORE_URI"].replace("+psycopg2", "")
    with closing(psycopg2.connect(uri)) as line, line, line.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(uri.replace(uri.split(":")[2].split("@")[0], "wrong"))
    process = postgres.process
    assert process is not None
    assert psutil.Process(process.pid).uids().real == (postgres.account.user or os.geteuid())
    postgres.kill()
    postgres.start()
    with closing(psycopg2.connect(uri)) as line, line, line.cursor() as cursor:
        cursor.execute("SELECT n FROM kept")
        assert cursor.fetchall() == [(7,)]


def test_postgres_starts_where_its_old_pid_is_a_strangers(postgres: Postgres) -> None:
    postgres.start()
    postgres.kill()
    with subprocess.Popen(["sleep", "600"], user=postgres.account.user) as stranger:
        try:
            file = postgres.folder / "data" / "postmaster.pid"
            _, *rest = file.read_text().splitlines()
            file.write_text("\n".join([str(stranger.pid), *rest]) + "\n")
            postgres.start()
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_database_whose_making_was_cut_short_is_made_anew(postgres: Postgres) -> None:
    half = postgres.folder / "making-cut"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("15\n")
    postgres.start()
    assert not half.exists()


def test_a_database_of_another_version_is_named_with_the_package(postgres: Postgres) -> None:
    (postgres.folder / "data").mkdir(parents=True)
    (postgres.folder / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(SchwarzError, match=r"a database of PostgreSQL 9, which is not installed .*postgresql-9"):
        postgres.start()


def test_a_folder_that_the_account_may_not_enter_is_the_reason_for_sqlite(room: Path) -> None:
    closed = room / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "stack" / "postgres")
    if server.account.user is None:
        pytest.skip("PostgreSQL runs as ourselves here")
    assert server.missing() == (
        f"it may not run as root, and the user {server.account.name!r} may not enter {server.folder}"
    )


def test_a_stack_that_is_being_started_refuses_a_second_command(tmp_path: Path) -> None:
    from schwarz.locks import locked

    (tmp_path / "stack").mkdir()
    with (
        locked(tmp_path / "stack" / "lock"),
        pytest.raises(SchwarzError, match=f"process {os.getpid()} on .* is start"),
    ):
        Stack(tmp_path / "stack").up(print)
