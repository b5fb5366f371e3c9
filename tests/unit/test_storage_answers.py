"""What an S3 store may answer on a bad day. The server here is a stand-in: no real one can be made to answer 503, cut
a connection after so many bytes or repeat a secret when a test wants it. What a real one does is in tests/machine."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from schwarz.errors import SchwarzError, WrongInput
from schwarz.files import write_atomic
from schwarz.storage import ObjectChanged, Patience, Store, StoreAway, open_store
from schwarz.storage.s3 import PIECE, THREADS, part_length
from schwarz.storage.threads import in_order

CONTENT = bytes(range(256)) * 8192  # 2 MiB
SECRET = "sk-the-secret"
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One object; `bad` answers come first, one for each GET."""

    protocol_version = "HTTP/1.1"
    bad: list[Answer]
    asked: list[tuple[str, str | None, str | None]]
    kept: list[tuple[bytes, str | None]]
    meanwhile: list[Callable[[], object]]
    """What happens while it is asked of an object."""

    def do_HEAD(self) -> None:
        for each in self.meanwhile:
            each()
        self.reply(200, b"", {"Content-Length": str(len(CONTENT))})

    def do_GET(self) -> None:
        self.asked.append((self.path.partition("?")[0], self.headers["Range"], self.headers["If-Match"]))
        if self.bad:
            self.bad.pop(0)(self)
        else:
            self.give()

    def do_PUT(self) -> None:
        self.kept.append((self.rfile.read(int(self.headers["Content-Length"])), self.headers["x-amz-meta-sha256"]))
        self.reply(200, b"", {"Content-Length": "0"})

    def give(self, cut: int | None = None, etag: str = "one") -> None:
        if self.headers["Range"] is None:
            self.reply(200, CONTENT[:cut], {"Content-Length": str(len(CONTENT))}, etag)
            self.close_connection = cut is not None
            return
        first, last = (int(n) for n in self.headers["Range"].removeprefix("bytes=").split("-"))
        body = CONTENT[first : last + 1]
        about = {"Content-Range": f"bytes {first}-{last}/{len(CONTENT)}", "Content-Length": str(len(body))}
        self.reply(206, body[:cut], about, etag)
        self.close_connection = cut is not None

    def refuse(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>you signed with {SECRET}</Message></Error>".encode()
        self.reply(status, text, {"Content-Type": "application/xml", "Content-Length": str(len(text))})

    def reply(self, status: int, body: bytes, headers: dict[str, str], etag: str = "one") -> None:
        self.send_response(status)
        for name, value in {"ETag": f'"{etag}"', **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the test's stderr."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Handler.bad, Handler.asked, Handler.kept, Handler.meanwhile = [], [], [], []
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def store(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return open_store("s3://bucket/pre", Patience(total_s=2, answer_s=0.5))


def test_what_may_pass_is_asked_again_and_told_once(store: Store, tmp_path: Path, caplog) -> None:
    Handler.bad = [
        lambda asked: asked.refuse(503, "SlowDown"),
        lambda asked: asked.refuse(500, "InternalError"),
        lambda asked: asked.reply(502, b"<html>", {"Content-Type": "text/html", "Content-Length": "6"}),
    ]
    store.get("x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    away, back = [record.getMessage() for record in caplog.records if record.name == "schwarz.storage"]
    assert away.endswith("does not answer (InternalError): waiting for it, 2 s at most")
    assert "answers again, after" in back


def test_a_connection_that_is_cut_is_gone_on_with_from_there_and_of_that_version(store: Store, tmp_path: Path) -> None:
    Handler.bad = [lambda asked: asked.give(cut=1_500_000), lambda asked: asked.give(cut=0)]
    assert store.get("x", tmp_path / "x") == len(CONTENT)
    assert (tmp_path / "x").read_bytes() == CONTENT
    whole, rest, again = Handler.asked
    last = len(CONTENT) - 1
    assert whole == ("/bucket/pre/x", None, None)
    start = int((rest[1] or "").removeprefix("bytes=").partition("-")[0])
    assert 2**20 <= start <= 1_500_000
    assert rest == again == ("/bucket/pre/x", f"bytes={start}-{last}", '"one"')


def test_a_connection_may_be_cut_again_and_again(store: Store, tmp_path: Path) -> None:
    Handler.bad = [lambda asked: asked.give(cut=200_000)] * 8
    store.get("x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert len(Handler.asked) == 9


def test_a_server_that_hangs_is_asked_again(store: Store, tmp_path: Path) -> None:
    Handler.bad = [lambda _: time.sleep(1.2)]
    assert store.read("x", 0, 4) == CONTENT[:4]


@pytest.mark.parametrize("cut", [None, 2**20 + 1])
def test_another_version_is_refused_though_the_store_gives_it(store: Store, tmp_path: Path, cut: int | None) -> None:
    """Some stores know no If-Match."""
    Handler.bad = [lambda asked: asked.give(cut=2**20 + 5), lambda asked: asked.give(cut=cut, etag="two")]
    with pytest.raises(ObjectChanged, match=r"s3://bucket/pre/x: was written anew while it was read\. Resume"):
        store.get("x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_gives_no_ranges_is_not_believed(store: Store) -> None:
    Handler.bad = [lambda asked: asked.reply(200, CONTENT, {"Content-Length": str(len(CONTENT))})]
    with pytest.raises(ObjectChanged):
        store.read("x", 5, 5, "one")


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (403, "SignatureDoesNotMatch", WrongInput, r"does not know these keys \(SignatureDoesNotMatch\)"),
        (403, "AccessDenied", WrongInput, r"s3://bucket/pre/x: the keys to .* do not allow it \(AccessDenied\)"),
        (403, "RequestTimeTooSkewed", WrongInput, "its clock and this one differ too much"),
        (404, "NoSuchBucket", WrongInput, "has no bucket 'bucket'. Make it, or name another one"),
        (301, "PermanentRedirect", WrongInput, "s3://bucket: lies in another region .* AWS_REGION names it"),
        (412, "PreconditionFailed", ObjectChanged, "s3://bucket/pre/x: was written anew"),
        (400, "Odd/Code", SchwarzError, r"refuses: OddCode \(HTTP 400\)"),
        (507, "XMinioStorageFull", SchwarzError, r"refuses: XMinioStorageFull \(HTTP 507\). Look into its log"),
    ],
)
def test_what_will_not_pass_is_refused_at_once_without_the_servers_words(
    store: Store, status: int, code: str, kind: type[Exception], said: str
) -> None:
    Handler.bad = [lambda asked: asked.refuse(status, code)] * 2
    with pytest.raises(kind, match=said) as refused:
        store.read("x", 0, 4, "one")
    assert len(Handler.asked) == 1
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("status", [200, 404])
def test_what_is_no_store_is_named(store: Store, status: int) -> None:
    about = {"Content-Type": "text/html", "Content-Length": "23"}
    Handler.bad = [lambda asked: asked.reply(status, b"<html><p>welcome</html>", about)]
    with pytest.raises(WrongInput, match=rf"answers, but not as an S3 store does \(HTTP {status}\)\. Is AWS_END"):
        list(store.list())


def test_an_answer_that_does_not_say_how_long_it_is_comes_of_no_store(store: Store, tmp_path: Path) -> None:
    def chunked(asked: Handler) -> None:
        asked.reply(200, b"2\r\nhi\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"})

    Handler.bad = [chunked]
    with pytest.raises(WrongInput, match="answers, but not as an S3 store does"):
        store.get("x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("store")
def test_tls_where_there_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL"].replace("http:", "https:"))
    with pytest.raises(WrongInput, match=r"speaks no TLS, .*\(wrong version number\)\. Check https:// in AWS_END"):
        list(open_store("s3://bucket").list())


def test_a_file_that_is_replaced_while_it_is_put_is_kept_with_its_own_sum(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"first")
    Handler.meanwhile = [lambda: write_atomic(tmp_path / "x", b"second")]
    assert store.put(tmp_path / "x", "x") == sha256(b"first").hexdigest()
    assert Handler.kept == [(b"first", sha256(b"first").hexdigest())]


def test_patience_ends(store: Store, caplog) -> None:
    Handler.bad = [lambda asked: asked.refuse(503, "SlowDown")] * 100
    began = time.monotonic()
    with pytest.raises(StoreAway, match=r"has not answered for 2 s \(SlowDown\)\. Is it running, and is AWS_ENDP"):
        store.read("x", 0, 4, "one")
    assert 2 <= time.monotonic() - began < 4
    assert len(Handler.asked) < 15  # the pauses grow


def test_pieces_come_in_order_few_ahead_and_a_fault_ends_them_all() -> None:
    begun: list[int] = []
    before, stop = set(threading.enumerate()), threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 30:
            raise ValueError("thirty")
        time.sleep(0.001 * (number % 3))
        return number

    taken = in_order(work, 1000, THREADS, stop)
    assert [next(taken) for _ in range(10)] == list(range(10))
    time.sleep(0.1)
    assert len(begun) <= 10 + THREADS + 2
    with pytest.raises(ValueError, match="thirty"):
        list(taken)
    assert stop.is_set()
    assert len(begun) <= 31 + THREADS + 2
    assert set(threading.enumerate()) <= before


def test_parts_are_neither_too_many_nor_too_large() -> None:
    for size in (PIECE + 1, 5 * 2**30 + 1, 5 * 2**40):
        length = part_length(size)
        assert PIECE <= length <= 5 * 2**30
        assert -(-size // length) <= 10_000
    assert part_length(100 * 2**30) == PIECE
