"""Ten thousand connections that say nothing, or half of something: others are answered, and little memory is taken."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.pipeline.graphs import model
from tests.unit.serving.served import served
from tests.unit.serving.test_memory import INFER, LIMIT_MB, PIXELS, grown

MANY = 10_000
SAID = {
    "nothing": (b"", MANY),
    "half a head": (f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Le".encode(), MANY),
    "long heads": (b"GET /v2 HTTP/1.1\r\nx: " + b"a" * 20_000, MANY),
    "half a body": (f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{".encode(), MANY // 2),
}
"""What each says, and how many: a request that is half there takes 18 KB, a connection alone 7."""


@contextmanager
def places(wanted: int) -> Iterator[None]:
    """So many files may be open, here and in processes that are started."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < wanted:
        pytest.fail(f"only {most} files may be open at once: ulimit -Hn {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


@pytest.mark.parametrize(("said", "many"), SAID.values(), ids=SAID)
def test_ten_thousand_idle_connections_hold_nobody_up(tmp_path: Path, said: bytes, many: int) -> None:
    with places(MANY + 1000), served(model(tmp_path / "four.onnx")) as server, ExitStack() as stack:
        assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200
        before = grown(server)
        for _ in range(many):
            sock = stack.enter_context(closing(socket.create_connection((server.host, server.port), timeout=20)))
            sock.setblocking(False)
            if said:
                sock.send(said)
        took = list[float]()
        for _ in range(50):
            began = time.monotonic()
            assert server.ask("POST", INFER, {"inputs": [PIXELS]})[0] == 200
            took.append(time.monotonic() - began)
        assert median(took) < 0.5
        assert grown(server) - before < LIMIT_MB
