"""What an operator sees: figures, and who was turned away."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from schwarz.serving.access import own
from tests.pipeline.graphs import graph, model
from tests.unit.serving.served import Served, served

PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}
INFER = "/v2/models/four/infer"
TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return model(tmp_path / "four.onnx")


@pytest.fixture
def guarded(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("SCHWARZ_SERVE_TOKEN", TOKEN)
    with served(file) as server:
        yield server


def figures(server: Served, headers: dict[str, str] | None = None) -> dict[str, float]:
    """What Prometheus reads."""
    with server.connect() as connection:
        connection.request("GET", "/metrics", headers=headers or {})
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_requests_are_counted_by_kind_and_status(file: Path) -> None:
    with served(file) as server:
        for body in ({"inputs": [PIXELS]}, {"inputs": [PIXELS]}, {"inputs": []}):
            server.ask("POST", INFER, body)
        server.ask("GET", "/v2/models/no-label-of-its-own")
        server.ask("GET", "/v2/health/ready")
        found = figures(server)
    assert found['schwarz_requests_total{kind="infer",status="200"}'] == 2
    assert found['schwarz_requests_total{kind="infer",status="400"}'] == 1
    assert found['schwarz_requests_total{kind="other",status="404"}'] == 1
    assert found['schwarz_requests_total{kind="health",status="200"}'] == 1
    assert found['schwarz_request_seconds_count{kind="infer"}'] == 3
    assert found["schwarz_images_together_sum"] == 2
    assert found["schwarz_waiting_images"] == 0
    assert found['schwarz_model_version{name="four"}'] == 1
    assert not re.search("no-label", str(found))


def test_what_is_no_http_is_counted_and_makes_no_line_in_the_log(file: Path) -> None:
    """Anybody can send it, as often as they like."""
    with served(file) as server:
        for content, status in ((b"nonsense\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, 431)):
            with server.connect() as connection:
                connection.connect()
                assert connection.sock is not None
                connection.sock.sendall(content)
                assert connection.sock.recv(100).split()[1] == b"%d" % status
            assert figures(server)[f'schwarz_requests_total{{kind="none",status="{status}"}}'] == 1
        server.process.terminate()
        assert server.process.communicate(timeout=30)[1] == ""


def test_what_a_model_cannot_compute_makes_no_line_in_the_log(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["table", "x"], ["y"])]
    about = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", 1]) for name in "xy"]
    table = helper.make_tensor("table", TensorProto.INT64, [2], [5, 7])
    with served(graph(tmp_path / "table.onnx", nodes, about[:1], about[1:], [table])) as server:
        for value, status in ((1, 200), (2, 400)):
            asked = {"name": "x", "datatype": "INT64", "shape": [1, 1], "data": [value]}
            assert server.ask("POST", "/v2/models/table/infer", {"inputs": [asked]})[0] == status
        server.process.terminate()
        assert server.process.communicate(timeout=30)[1] == ""


def test_without_the_token_nothing_but_health_is_told(guarded: Served) -> None:
    for path in ("/v2", "/v2/models/four", "/metrics"):
        assert guarded.ask("GET", path)[0] == 401
    for wrong in ("Bearer wrong", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN} ", f"Bearer {TOKEN[:-1]}"):
        status, answer = guarded.ask("POST", INFER, {"inputs": [PIXELS]}, {"Authorization": wrong})
        assert (status, list(answer)) == (401, ["error"]), wrong
        assert TOKEN not in answer["error"]
    assert guarded.ask("GET", "/v2/health/live")[0] == 200
    counted = figures(guarded, {"Authorization": f"bearer {TOKEN}"})
    assert counted['schwarz_requests_total{kind="infer",status="401"}'] == 5


def test_with_the_token_all_is_as_without_one(guarded: Served) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.ask("POST", INFER, {"inputs": [PIXELS]}, right)[0] == 200
    assert figures(guarded, right)['schwarz_requests_total{kind="infer",status="200"}'] == 1


@pytest.mark.parametrize("token", ["", "short", "with a space in it, long", "ümläute-sind-keine-zeichen"])
def test_a_token_that_is_none_is_refused_before_anything_listens(
    file: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("SCHWARZ_SERVE_TOKEN", token)
    with pytest.raises(AssertionError, match="SCHWARZ_SERVE_TOKEN: give 16 or more"), served(file):
        pass


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "10.0.0.7", "a.localhost"]
)
def test_names_of_this_machine_are_answered_to(host: str) -> None:
    assert own(host.encode())


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[", "\xff"]
)
def test_other_names_are_not(host: str) -> None:
    assert not own(host.encode("latin-1"))


def test_a_page_of_another_site_is_not_answered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(file) as server:
        status, answer = server.ask("GET", "/v2/models/four", headers={"Host": "evil.example:8080"})
        assert status == 421
        assert "not to 'evil.example:8080': set SCHWARZ_SERVE_TOKEN" in answer["error"]
        assert server.ask("GET", "/v2/models/four")[0] == 200
    monkeypatch.setenv("SCHWARZ_SERVE_TOKEN", TOKEN)
    with served(file) as server:
        named = {"Host": "evil.example:8080", "Authorization": f"Bearer {TOKEN}"}
        assert server.ask("GET", "/v2/models/four", headers=named)[0] == 200
