"""`/v1/predict` names the class of a picture and every vote on it; the page at `/` comes with all that it needs."""

import base64
import math
import re
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from schwarz.serving.pictures import pixels, png
from tests.pipeline.graphs import HALVES, divided, graph, model
from tests.unit.serving.served import Served, served

LEFT = png(np.array([[[7, 0], [7, 0]]], np.uint8))
SPLIT = png(np.array([[[9, 0], [0, 9]]], np.uint8))
INT64 = TensorProto.INT64
SURE = 1 / (1 + math.exp(-9))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(divided(tmp_path_factory.mktemp("model") / "halves.onnx")) as one:
        yield one


def test_a_picture_has_a_class_and_every_box_a_vote(server: Served) -> None:
    status, found = server.ask("POST", "/v1/predict", LEFT)
    surely = pytest.approx(1 / (1 + math.exp(-7)), rel=1e-6)
    assert status == 200
    assert (found["model_name"], found["model_version"], found["classes"]) == ("halves", "1", ["left", "right"])
    assert (found["class"], found["probability"], found["missing"]) == ("left", surely, [])
    assert [(vote["class"], vote["probability"]) for vote in found["boxes"]] == [("left", surely)] * 2


@pytest.mark.parametrize(
    ("query", "missing", "wins"), [("0", [0], "right"), ("1", [1], "left"), ("1,0,1", [0, 1], "left")]
)
def test_a_missing_box_says_what_it_says_to_nothing(server: Served, query: str, missing: list[int], wins: str) -> None:
    status, found = server.ask("POST", f"/v1/predict?missing={query}", SPLIT)
    assert (status, found["missing"], found["class"]) == (200, missing, wins)
    votes = [0.5 if k in missing else (SURE, 1 - SURE)[k] for k in range(2)]
    assert [vote["probabilities"][0] for vote in found["boxes"]] == pytest.approx(votes, rel=1e-4)


@pytest.mark.parametrize(
    ("address", "body", "status", "message"),
    [
        ("/v1/predict?missing=2", LEFT, 400, "missing=2: give numbers of boxes, 0 to 1"),
        (f"/v1/predict?missing={'1' * 5000}", LEFT, 400, "give numbers of boxes, 0 to 1"),
        ("/v1/predict?missing=-1", LEFT, 400, "missing=-1: give numbers of boxes"),
        ("/v1/predict?missing=first", LEFT, 400, "missing=first: give numbers of boxes"),
        ("/v1/predict?mising=1", LEFT, 400, "unknown parameter 'mising': there is 'missing', as in ?missing=0,2"),
        ("/v1/predict", b"GIF89a", 415, "no PNG and no JPEG"),
        ("/v1/predict", None, 400, "the body is empty"),
        ("/v1/predict", LEFT[:-30], 400, "cannot be read to its end"),
        ("/v1/predict", bytes(17 * 2**20), 413, "the body is larger than 16 MB"),
        ("/v1/predictions", LEFT, 404, "Not Found"),
    ],
)  # fmt: skip
def test_what_is_refused(server: Served, address: str, body: bytes | None, status: int, message: str) -> None:
    found, told = server.ask("POST", address, body)
    assert found == status
    assert message in told["error"]


def test_the_page_is_told_what_it_draws(server: Served) -> None:
    status, about = server.ask("GET", "/v1/models/halves")
    samples = about.pop("samples")
    assert status == 200
    assert about == {
        "name": "halves", "version": "1", "strategy": "average", "classes": ["left", "right"], "height": 2, "width": 2,
        "boxes": [[[0, 1], [0, 2]], [[1, 2], [0, 2]]], "blank": [100.0], "votes": True,
    }  # fmt: skip
    assert [each["class"] for each in samples] == ["left", "right"]
    assert pixels(base64.b64decode(samples[0]["png"]), (1, 2, 2)).tolist() == [[[9, 0], [9, 0]]]


def test_the_page_asks_nobody_else(server: Served) -> None:
    for address, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        with server.connect() as connection:
            connection.request("GET", address)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 200
            assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert re.findall(r"https?://|//[a-z]+\.", text) == []


def test_a_model_that_says_nothing_of_itself_has_no_pictures(tmp_path: Path) -> None:
    with served(model(tmp_path / "four.onnx")) as one:
        for method, address in (("GET", "/v1/models/four"), ("POST", "/v1/predict")):
            status, told = one.ask(method, address, LEFT if method == "POST" else None)
            assert (status, told["error"]) == (
                404, "model 'four' names neither classes nor boxes: ask it by /v2/models/four/infer",
            )  # fmt: skip


def test_what_is_no_number_is_the_fault_of_the_model(tmp_path: Path) -> None:
    """Each half's share of the light, of which a black picture has none."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["float", "pixels"], ["light"], keepdims=0),
        helper.make_node("ReduceSum", ["light", "halves"], ["all"], keepdims=1),
        helper.make_node("Div", ["light", "all"], ["probabilities"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, 2, 2])
    shares = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])
    axes = [helper.make_tensor(*row) for row in (("pixels", INT64, [2], [1, 3]), ("halves", INT64, [1], [1]))]
    file = graph(tmp_path / "light.onnx", nodes, [images], [shares], axes, HALVES.properties())
    with served(file) as one:
        assert one.ask("POST", "/v1/predict", LEFT)[1]["probabilities"] == [0.5, 0.5]
        status, told = one.ask("POST", "/v1/predict", png(np.zeros((1, 2, 2), np.uint8)))
        assert (status, told["error"]) == (
            500,
            "model 'light': its output 'probabilities' holds values that are no numbers",
        )


def test_of_many_large_pictures_some_are_told_to_come_back(server: Served) -> None:
    """A small file, and 12 million pixels to decode: nobody waits for a hundred of them."""
    content = large()
    with ThreadPoolExecutor(80) as pool:
        asked = [pool.submit(server.ask, "POST", "/v1/predict", content) for _ in range(80)]
        statuses = Counter(each.result()[0] for each in asked)
    assert set(statuses) == {200, 429}
    assert statuses[429] >= 20
    assert server.ask("POST", "/v1/predict", LEFT)[0] == 200


def test_who_sends_its_picture_when_too_many_wait_is_told_to_come_back_too(server: Served) -> None:
    """All of them came when nobody waited."""
    content = large()
    about = f"Host: localhost\r\nContent-Length: {len(content)}\r\nExpect: 100-continue"
    head = f"POST /v1/predict HTTP/1.1\r\n{about}\r\n\r\n"
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((server.host, server.port))) for _ in range(64)]
        for client in clients:
            client.sendall(head.encode())
            assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")
        for client in clients:
            client.sendall(content)
        statuses = Counter(client.recv(12)[-3:] for client in clients)
    assert set(statuses) == {b"200", b"429"}
    assert statuses[b"429"] >= 20


def large() -> bytes:
    """A picture that takes longer to decode than to send."""
    content = BytesIO()
    Image.new("1", (4000, 3000)).save(content, "PNG")
    return content.getvalue()


def test_several_models_answer_each_by_its_name(tmp_path: Path) -> None:
    with served(divided(tmp_path / "halves.onnx"), str(model(tmp_path / "four.onnx"))) as one:
        assert one.ask("GET", "/v1/models") == (200, {"models": ["halves", "four"]})
        assert one.ask("POST", "/v1/predict", LEFT)[1]["model_name"] == "halves"
        assert one.ask("POST", "/v1/models/halves/predict", LEFT)[1]["class"] == "left"
        assert one.ask("POST", "/v1/models/four/predict", LEFT)[0] == 404
        given = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 0, 0, 9]}
        for name, expected in (("halves", 2), ("four", 4)):
            (output, *_) = one.ask("POST", f"/v2/models/{name}/infer", {"inputs": [given]})[1]["outputs"]
            assert output["shape"] == [1, expected]
        status, told = one.ask("GET", "/v2/models/five")
        assert (status, told["error"]) == (404, "no model 'five' here: there is 'halves', 'four'")
        with one.connect() as connection:
            connection.request("GET", "/metrics")
            figures = connection.getresponse().read().decode()
        for name in ("halves", "four"):
            assert f'schwarz_model_version{{name="{name}"}} 1.0' in figures


def test_behind_a_token_the_page_is_open_and_the_model_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHWARZ_SERVE_TOKEN", "a-long-enough-token")
    with served(divided(tmp_path / "halves.onnx")) as one:
        with one.connect() as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
        assert one.ask("GET", "/v1/models")[0] == 401
        assert one.ask("POST", "/v1/predict", LEFT)[0] == 401
        assert one.ask("GET", "/v1/models", headers={"authorization": "Bearer a-long-enough-token"})[0] == 200
