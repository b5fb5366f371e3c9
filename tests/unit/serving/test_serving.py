"""A served model answers by the Open Inference Protocol, and refuses what is not exactly as it takes it."""

import asyncio
import json
import signal
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from starlette.applications import Starlette
from starlette.types import Message

from schwarz.serving import bodies, straight
from schwarz.serving.batching import Batcher
from schwarz.serving.bodies import Body, Room
from schwarz.serving.following import Models
from schwarz.serving.following import Served as Following
from schwarz.serving.model import Model
from schwarz.serving.refused import GONE, LEFT, Refused
from schwarz.serving.straight import Straight
from schwarz.serving.threads import Threads
from tests.pipeline.graphs import model
from tests.unit.serving.served import Served, served

INFER = "/v2/models/four/infer"
PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "four.onnx")


@pytest.fixture(scope="module")
def server(file: Path) -> Iterator[Served]:
    with served(file) as one:
        yield one


def wrong(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{**PIXELS, **changes}]}


def test_server_and_model_describe_themselves(server: Served) -> None:
    about = server.ask("GET", "/v2")[1]
    assert (about["name"], about["extensions"]) == ("schwarz", ["binary_tensor_data"])
    assert server.ask("GET", "/v2/health/live") == (200, {"live": True})
    assert server.ask("GET", "/v2/health/ready") == (200, {"ready": True})
    for path in ("/v2/models/four", "/v2/models/four/versions/1"):
        assert server.ask("GET", path + "/ready") == (200, {"name": "four", "ready": True})
        assert server.ask("GET", path) == (
            200,
            {
                "name": "four",
                "versions": ["1"],
                "platform": "onnxruntime_onnx",
                "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 1, 2, 2]}],
                "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 4]}],
            },
        )


@pytest.mark.parametrize("nested", [False, True])
def test_what_is_answered_is_what_onnxruntime_gives(server: Served, file: Path, nested: bool) -> None:
    images = np.random.default_rng(0).integers(0, 5, (3, 1, 2, 2), np.uint8)
    data = images.tolist() if nested else images.ravel().tolist()
    asked = {"id": "seven", "inputs": [{**PIXELS, "shape": [3, 1, 2, 2], "data": data}]}
    status, answer = server.ask("POST", INFER, asked)
    (output,) = answer.pop("outputs")
    assert (status, answer) == (200, {"model_name": "four", "model_version": "1", "id": "seven"})
    (expected,) = onnxruntime.InferenceSession(file).run(None, {"images": images})
    assert (output["name"], output["datatype"], output["shape"]) == ("probabilities", "FP32", [3, 4])
    assert np.array_equal(np.array(output["data"], np.float32).reshape(3, 4), np.asarray(expected))


def test_only_outputs_that_are_asked_for_are_given(server: Served) -> None:
    asked = {"inputs": [PIXELS], "outputs": [{"name": "probabilities"}], "parameters": {"priority": 1}}
    assert server.ask("POST", INFER, asked)[0] == 200
    assert server.ask("POST", "/v2/models/four/versions/1/infer", asked)[0] == 200


def test_text_with_colons_is_no_key(server: Served) -> None:
    asked = {"id": "a:b", "parameters": {"a:": [":", {"a:": 1}, {"a:": 2}], "n": 0}, "inputs": [PIXELS]}
    body = json.dumps(asked).encode().replace(b'"n": 0', b'"n": ' + b"1" * 300)
    status, answer = server.ask("POST", INFER, body)
    assert (status, answer["id"]) == (200, "a:b")


DEEP = b"[" * 900 + b"]" * 900
WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "no JSON"),
    "not UTF-8": (b'{"id": "\xff"}', "no JSON"),
    "empty": (b"", "no JSON"),
    "deep": (b"[" * 100_000, "no JSON"),
    "no number": (b'{"inputs": [{"data": [NaN]}]}', "no JSON"),
    "a name that is a thousand lists": (
        b'{"inputs": [{"name": %s, "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": []}]}' % DEEP,
        "none called a list",
    ),
    "a datatype of a thousand lists": (
        b'{"inputs": [{"name": "images", "datatype": %s, "shape": [1, 1, 2, 2], "data": []}]}' % DEEP,
        "datatype a list, the model takes",
    ),
    "a value of a thousand lists": (
        b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [1, 2, 3, %s]}]}' % DEEP,
        "a list in data is no uint8",
    ),
    "a datatype of a million letters": (wrong(datatype="F" * 10**6), "the model takes"),
    "a name of a million letters": (wrong(name="i" * 10**6), "none called"),
    "a key of a million letters": ({"i" * 10**6: 1}, "unknown key"),
    "a shape of a hundred thousand axes": (wrong(shape=[1] * 10**5), "shape of 100000 axes"),
    "a truth, its key written otherwise": (
        b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "d\\u0061ta": [0, 1, 2, true]}],'
        b' "id": "data"}',
        "True in data is no uint8",
    ),
    "a truth, its key first": (
        b'{"inputs": [{"data": [0, 1, 2, true], "name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2]}]}',
        "True in data is no uint8",
    ),
    "a key twice": (b'{"inputs": [], "inputs": [%s]}' % json.dumps(PIXELS).encode(), "key 'inputs' is there twice"),
    "a key twice, written otherwise": (
        b'{"inputs": [{"name": "images", "n\\u0061me": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2],'
        b' "data": [0, 1, 2, 3]}]}',
        "key 'name' is there twice",
    ),
    "a parameter twice": (
        b'{"parameters": {"a": {"b": 1, "b": 1}}, "inputs": [%s]}' % json.dumps(PIXELS).encode(),
        "key 'b' is there twice",
    ),
    "parameters of a thousand objects": (
        b'{"parameters": %s1%s, "inputs": [%s]}' % (b'{":":' * 1000, b"}" * 1000, json.dumps(PIXELS).encode()),
        "nested too deeply",
    ),
    "a list": ([], "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "nothing": ({}, "'inputs' is missing"),
    "a misspelt key": ({"input": [PIXELS]}, "unknown key 'input'. Did you mean 'inputs'?"),
    "an id that is no text": ({"id": 7, "inputs": [PIXELS]}, "id must be text"),
    "parameters that are a list": ({"parameters": [], "inputs": [PIXELS]}, "parameters must be"),
    "no inputs": ({"inputs": []}, "must be a list of one tensor or more"),
    "inputs that are an object": ({"inputs": PIXELS}, "must be a list of one tensor or more"),
    "an input that is null": ({"inputs": [None]}, "inputs[0] must be a JSON object"),
    "an input twice": ({"inputs": [PIXELS, PIXELS]}, "'images' is there twice"),
    "an input more": ({"inputs": [PIXELS, {**PIXELS, "name": "mask"}]}, "none called 'mask'"),
    "another name": (wrong(name="image"), "Did you mean 'images'?"),
    "a name that is a list": (wrong(name=["images"]), "none called"),
    "no data": ({"inputs": [{k: v for k, v in PIXELS.items() if k != "data"}]}, "'data' is missing"),
    "another datatype": (wrong(datatype="FP32"), "datatype 'FP32', the model takes 'UINT8'"),
    "a datatype that is none": (wrong(datatype="uint8"), "the model takes 'UINT8'"),
    "a datatype that is a list": (wrong(datatype=[]), "the model takes 'UINT8'"),
    "a shape that is text": (wrong(shape="1122"), "shape must be a list"),
    "a shape of fractions": (wrong(shape=[1, 1, 2, 2.0]), "shape must be a list of whole"),
    "a shape of truths": (wrong(shape=[True, True, 2, 2]), "shape must be a list of whole"),
    "an axis less": (wrong(shape=[1, 2, 2]), "the model takes [-1, 1, 2, 2]"),
    "another size": (wrong(shape=[1, 1, 4, 1]), "the model takes [-1, 1, 2, 2]"),
    "an empty batch": (wrong(shape=[0, 1, 2, 2], data=[]), "the model takes [-1, 1, 2, 2]"),
    "a negative batch": (wrong(shape=[-1, 1, 2, 2]), "the model takes [-1, 1, 2, 2]"),
    "a vast batch": (wrong(shape=[2**62, 1, 2, 2]), "4 values in data"),
    "too few values": (wrong(data=[1, 2, 3]), "3 values in data, shape [1, 1, 2, 2] has 4"),
    "too many values": (wrong(data=[1, 2, 3, 4, 5]), "5 values in data"),
    "data that is a number": (wrong(data=4), "data must be a list"),
    "data that is null": (wrong(data=None), "data must be a list"),
    "data nested otherwise": (wrong(data=[[[[0, 1, 2, 3]]]]), "is not nested as shape"),
    "data nested unevenly": (wrong(data=[[[[0, 1], [2]]]]), "is not nested as shape"),
    "data nested in part": (wrong(data=[[[[0, 1], 2, 3]]]), "is not nested as shape"),
    "data nested deeper": (wrong(data=[[[[[0], [1]], [[2], [3]]]]]), "in data is no uint8"),
    "text for numbers": (wrong(data=["0", "1", "2", "3"]), "'0' in data is no uint8"),
    "null for a number": (wrong(data=[0, 1, 2, None]), "None in data is no uint8"),
    "a truth for a number": (wrong(data=[0, 1, 2, True]), "True in data is no uint8"),
    "a fraction": (wrong(data=[0, 1, 2, 0.5]), "0.5 in data is no uint8"),
    "a value too large": (wrong(data=[0, 1, 2, 256]), "beyond what uint8 holds"),
    "a value too small": (wrong(data=[0, 1, 2, -1]), "beyond what uint8 holds"),
    "a value beyond 64 bits": (wrong(data=[0, 1, 2, 2**63]), "beyond what uint8 holds"),
    "another output": ({"inputs": [PIXELS], "outputs": [{"name": "logits"}]}, "none called 'logits'"),
    "an output twice": ({"inputs": [PIXELS], "outputs": [{"name": "probabilities"}] * 2}, "is there twice"),
    "outputs that are text": ({"inputs": [PIXELS], "outputs": "probabilities"}, "must be a list of one tensor or more"),
    "outputs that are bytes by text": (
        {"inputs": [PIXELS], "parameters": {"binary_data_output": "true"}},
        "binary_data_output must be true or false",
    ),
    "an output that is bytes by number": (
        {"inputs": [PIXELS], "outputs": [{"name": "probabilities", "parameters": {"binary_data": 1}}]},
        "binary_data must be true or false",
    ),
    "bytes and data": (wrong(parameters={"binary_data_size": 4}), "has data and binary_data_size too"),
    "bytes that are not there": (
        {"inputs": [{**{k: v for k, v in PIXELS.items() if k != "data"}, "parameters": {"binary_data_size": 4}}]},
        "binary_data_size is 4, 0 bytes are left behind the JSON",
    ),
}


@pytest.mark.parametrize(("body", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_refused_in_the_protocols_form(server: Served, body: Any, said: str) -> None:
    status, answer = server.ask("POST", INFER, body)
    assert status == 400
    assert list(answer) == ["error"]
    assert said in answer["error"]
    assert len(answer["error"]) < 4096


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/page.html", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/five", 404),
        ("GET", "/v2/models/four/versions/2", 404),
        ("POST", "/v2/models/five/infer", 404),
        ("POST", "/v2/models/four/versions/2/infer", 404),
        ("POST", INFER + "%0A", 404),
        ("GET", INFER, 405),
        ("GET", INFER + "/", 404),
        ("GET", "/v2/", 404),
        ("POST", "/v2/models/four", 405),
    ],
)
def test_an_address_that_is_none_is_named(server: Served, method: str, path: str, status: int) -> None:
    found, answer = server.ask(method, path)
    assert (found, list(answer)) == (status, ["error"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(2**40)}, 413),
        ({"Inference-Header-Content-Length": "10"}, 400),
        ({"Inference-Header-Content-Length": "-1"}, 400),
        ({"Inference-Header-Content-Length": "1e1"}, 400),
        ({"Inference-Header-Content-Length": "9" * 5000}, 400),
        ({"Content-Encoding": "gzip"}, 415),
    ],
)
def test_what_is_not_read_is_refused_at_once(server: Served, headers: dict[str, str], status: int) -> None:
    found, answer = server.ask("POST", INFER, None, headers)
    assert (found, list(answer)) == (status, ["error"])


def test_a_body_that_grows_beyond_the_limit_is_refused(server: Served) -> None:
    piece = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    with server.connect() as connection:
        connection.putrequest("POST", INFER)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for _ in range(33):
            connection.send(piece)
        assert connection.getresponse().status == 413
    assert server.ask("GET", "/v2/health/live")[0] == 200


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_finished_before_the_server_ends(file: Path, stop: signal.Signals) -> None:
    body = b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}]}'
    with served(file, "--name", "digits") as server, server.connect() as connection:
        connection.putrequest("POST", "/v2/models/digits/infer")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:20])
        assert server.ask("GET", "/v2/models/digits/ready")[0] == 200  # by now the first has arrived too
        server.process.send_signal(stop)
        rest = threading.Timer(0.5, connection.send, (body[20:],))
        rest.start()
        assert connection.getresponse().status == 200
        rest.join()
        out, err = server.process.communicate(timeout=30)
    assert out == ""
    assert (server.process.returncode, err) == ((0, "") if stop == signal.SIGTERM else (130, "Error: interrupted.\n"))


def test_a_fault_of_ours_is_told_and_left_to_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Batcher:
        raise ZeroDivisionError

    async def nothing() -> Message:
        raise AssertionError

    async def keep(message: Message) -> None:
        sent.append(message)

    monkeypatch.setattr(Models, "named", broken)  # no request is known that makes a fault of ours
    sent, scope = list[Message](), {"type": "http", "method": "POST", "path": INFER, "headers": []}
    app = Straight(Starlette(), Models([]), Room())
    with pytest.raises(ZeroDivisionError):
        asyncio.run(app(scope, nothing, keep))
    assert [each.get("status") for each in sent] == [500, None]
    assert json.loads(sent[1]["body"]) == {"error": "ZeroDivisionError: the log of the server has the cause"}


def test_a_body_that_is_refused_is_gone_when_that_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its room is others' by then, and who does not read the answer waits."""

    class Content(bytearray):
        pass

    async def receive() -> Message:
        return {"type": "http.request", "body": b"no JSON"}

    async def look(_: Message) -> None:
        seen.append(kept[0]() is None)

    class Watched(Body):
        def __init__(self, room: Room) -> None:
            super().__init__(room)
            self.content = Content()
            kept.append(weakref.ref(self.content))

    async def run() -> None:
        with ThreadPoolExecutor(1) as workers:
            models = Models([Following(Model(file, "four"), Threads(workers, 1), None)])
            await Straight(Starlette(), models, Room())(scope, receive, look)

    kept, seen = list[weakref.ref[Content]](), list[bool]()
    scope = {"type": "http", "method": "POST", "path": INFER, "headers": [], "extensions": {LEFT: lambda: False}}
    monkeypatch.setattr(straight, "Body", Watched)  # the real one, its bytes of a kind that can be watched
    asyncio.run(run())
    assert seen == [True, True]


def test_a_client_that_leaves_in_the_middle_of_a_body_is_gone() -> None:
    async def leave() -> Message:
        return pieces.pop(0)

    pieces: list[Message] = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    with pytest.raises(Refused, match="left before its body was whole") as refused:
        asyncio.run(Body(Room()).read({"headers": []}, leave, 100, ""))
    assert refused.value.status == GONE


def test_a_length_may_begin_with_any_number_of_zeros(server: Served) -> None:
    body = json.dumps({"inputs": [PIXELS]}).encode()
    assert server.ask("POST", INFER, body, {"content-length": f"{len(body):05000}"})[0] == 200


def test_a_body_that_does_not_arrive_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.05)  # the 15 s of a real server are no time for a test

    async def nothing() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": INFER, "headers": []}
    with pytest.raises(Refused, match="did not arrive") as refused:
        asyncio.run(Body(Room()).read(scope, nothing, 100, ""))
    assert refused.value.status == 408
