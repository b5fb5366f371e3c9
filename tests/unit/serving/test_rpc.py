"""The protocol over gRPC: the same numbers, the same refusals, the same limits."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from schwarz.serving.bodies import MB, Room
from schwarz.serving.following import Models
from schwarz.serving.following import Served as Running
from schwarz.serving.model import Model
from schwarz.serving.refused import Refused
from schwarz.serving.rpc.inference import NUMBERS_MB, parse, read, write
from schwarz.serving.rpc.messages import MESSAGES, SERVICE
from schwarz.serving.rpc.server import AGAIN_S, AT_ONCE, IDLE_S, MESSAGE_MB, MESSAGE_S, Rpc
from schwarz.serving.threads import Threads
from schwarz.serving.watching import Figures
from tests.pipeline.graphs import identity, model
from tests.pipeline.journals import free_port
from tests.unit.serving.frames import BEGIN, END_HEADERS, HEADERS, SETTINGS, frame, head
from tests.unit.serving.served import Served, served
from tests.unit.serving.test_memory import LIMIT_MB, grown
from tests.waiting import until

Code = grpc.StatusCode
TOKEN = "correct-horse-battery-staple"
PIXELS = [0, 1, 2, 3]
INPUT = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2]}
NUMBERS = {"model_name": "four", "inputs": [{**INPUT, "contents": {"uint_contents": PIXELS}}]}
BYTES = {"model_name": "four", "inputs": [INPUT], "raw_input_contents": [bytes(PIXELS)]}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "four.onnx")


@pytest.fixture(scope="module")
def server(file: Path) -> Iterator[Served]:
    with served(file, "--grpc-port", "0") as one:
        yield one


def ask(server: Served, method: str, content: bytes | None = None, token: str = "", **fields: Any) -> Any:
    """The answer to a message of these fields, or of this content."""
    if content is None:
        content = MESSAGES[f"{method}Request"](**fields).SerializeToString()
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary(f"/{SERVICE}/{method}")
        return MESSAGES[f"{method}Response"].FromString(call(content, timeout=60, metadata=metadata))


def refusal(server: Served, method: str, content: bytes | None = None, **fields: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as fault:
        ask(server, method, content, **fields)
    return fault.value.code(), fault.value.details() or ""


def test_server_and_model_describe_themselves_as_over_http(server: Served) -> None:
    assert ask(server, "ServerLive").live
    assert ask(server, "ServerReady").ready
    assert ask(server, "ModelReady", name="four").ready
    assert not ask(server, "ModelReady", name="nine").ready
    assert ask(server, "ServerMetadata").name == server.ask("GET", "/v2")[1]["name"]
    about, told = ask(server, "ModelMetadata", name="four", version="1"), server.ask("GET", "/v2/models/four")[1]
    assert (about.name, list(about.versions), about.platform) == (told["name"], told["versions"], told["platform"])
    for tensors, expected in ((about.inputs, told["inputs"]), (about.outputs, told["outputs"])):
        assert [{"name": x.name, "datatype": x.datatype, "shape": list(x.shape)} for x in tensors] == expected


def test_numbers_and_bytes_are_answered_as_they_were_asked_with_what_http_answers(server: Served) -> None:
    (expected,) = server.ask("POST", "/v2/models/four/infer", {"inputs": [{**INPUT, "data": PIXELS}]})[1]["outputs"]
    numbers, raw = ask(server, "ModelInfer", **NUMBERS, id="seven"), ask(server, "ModelInfer", **BYTES)
    assert (numbers.id, numbers.model_name, numbers.model_version, raw.id) == ("seven", "four", "1", "")
    assert list(numbers.outputs[0].shape) == list(raw.outputs[0].shape) == [1, 4]
    assert list(numbers.outputs[0].contents.fp32_contents) == np.array(expected["data"], np.float32).tolist()
    assert np.frombuffer(raw.raw_output_contents[0], "<f4").tolist() == np.array(expected["data"], np.float32).tolist()
    assert not numbers.raw_output_contents
    assert not raw.outputs[0].HasField("contents")


@pytest.mark.parametrize(("datatype", "kind", "dtype", "field"), [
    ("FP32", TensorProto.FLOAT, "<f4", "fp32_contents"), ("FP64", TensorProto.DOUBLE, "<f8", "fp64_contents"),
    ("INT8", TensorProto.INT8, "i1", "int_contents"), ("INT16", TensorProto.INT16, "<i2", "int_contents"),
    ("INT32", TensorProto.INT32, "<i4", "int_contents"), ("INT64", TensorProto.INT64, "<i8", "int64_contents"),
    ("UINT16", TensorProto.UINT16, "<u2", "uint_contents"), ("UINT32", TensorProto.UINT32, "<u4", "uint_contents"),
    ("UINT64", TensorProto.UINT64, "<u8", "uint64_contents"), ("BOOL", TensorProto.BOOL, "?", "bool_contents"),
])  # fmt: skip
def test_values_of_every_type_come_back_as_they_went(
    tmp_path: Path, datatype: str, kind: int, dtype: str, field: str
) -> None:
    same, sent = Model(identity(tmp_path / "same.onnx", kind), "same"), np.array([[1, 0], [0, 1]], dtype)
    about = {"name": "x", "datatype": datatype, "shape": [2, 2]}
    numbers = {"inputs": [{**about, "contents": {field: sent.ravel().tolist()}}]}
    raw = {"inputs": [about], "raw_input_contents": [sent.tobytes()]}
    for fields in (numbers, raw):
        asked = read(same, MESSAGES["ModelInferRequest"](**fields))
        answer = MESSAGES["ModelInferResponse"].FromString(write(same, asked, same.run(asked.inputs, ("y",))))
        back = answer.raw_output_contents[0] if fields is raw else getattr(answer.outputs[0].contents, field)
        assert np.array_equal(np.frombuffer(back, dtype) if fields is raw else np.array(back, dtype), sent.ravel())


def test_halves_go_as_bytes_alone(tmp_path: Path) -> None:
    same = Model(identity(tmp_path / "same.onnx", TensorProto.FLOAT16), "same")
    about = {"name": "x", "datatype": "FP16", "shape": [1, 2]}
    request = MESSAGES["ModelInferRequest"](inputs=[about], raw_input_contents=[np.array([1, 2], np.float16).tobytes()])
    asked = read(same, request)
    answer = MESSAGES["ModelInferResponse"].FromString(write(same, asked, same.run(asked.inputs, ("y",))))
    assert np.frombuffer(answer.raw_output_contents[0], np.float16).tolist() == [1, 2]
    with pytest.raises(Refused, match="FP16 has no contents: send raw_input_contents"):
        read(same, MESSAGES["ModelInferRequest"](inputs=[{**about, "contents": {"fp32_contents": [1, 2]}}]))


def other(**changed: Any) -> dict[str, Any]:
    return {**BYTES, "inputs": [{**INPUT, **changed}]}


def contents(**values: Any) -> dict[str, Any]:
    return {**NUMBERS, "inputs": [{**INPUT, "contents": values}]}


WRONG: dict[str, tuple[dict[str, Any], grpc.StatusCode, str]] = {
    "no model of that name": ({**BYTES, "model_name": "nine"}, Code.NOT_FOUND, "no model 'nine' here: there is 'four'"),
    "no such version": ({**BYTES, "model_version": "2"}, Code.NOT_FOUND, "has no version '2': there is '1'"),
    "nothing": ({"model_name": "four"}, Code.INVALID_ARGUMENT, "inputs: 'images' is missing"),
    "another input": (other(name="image"), Code.INVALID_ARGUMENT, "none called 'image'. Did you mean 'images'?"),
    "an input twice": ({**BYTES, "inputs": [INPUT] * 2, "raw_input_contents": [bytes(4)] * 2}, Code.INVALID_ARGUMENT,
                       "'images' is there twice"),
    "another type": (other(datatype="FP32"), Code.INVALID_ARGUMENT, "datatype 'FP32', the model takes 'UINT8'"),
    "another shape": (other(shape=[1, 1, 2, 3]), Code.INVALID_ARGUMENT, "the model takes [-1, 1, 2, 2]"),
    "a negative size": (other(shape=[-1, 1, 2, 2]), Code.INVALID_ARGUMENT, "the model takes [-1, 1, 2, 2]"),
    "an empty batch": (other(shape=[0, 1, 2, 2]), Code.INVALID_ARGUMENT, "the model takes [-1, 1, 2, 2]"),
    "a size that overflows": (other(shape=[2**62, 1, 2, 2]), Code.INVALID_ARGUMENT, "4 bytes, shape ["),
    "too few bytes": ({**BYTES, "raw_input_contents": [bytes(3)]}, Code.INVALID_ARGUMENT, "3 bytes, shape"),
    "bytes of no input": ({**BYTES, "raw_input_contents": [bytes(4)] * 2}, Code.INVALID_ARGUMENT, "2 for 1 inputs"),
    "bytes and numbers": ({**NUMBERS, "raw_input_contents": [bytes(4)]}, Code.INVALID_ARGUMENT,
                          "has contents and raw_input_contents too"),
    "too few numbers": (contents(uint_contents=[1, 2]), Code.INVALID_ARGUMENT, "2 values in data, shape"),
    "a number beyond the type": (contents(uint_contents=[256, 0, 0, 0]), Code.INVALID_ARGUMENT,
                                 "beyond what uint8 holds"),
    "numbers of another type": (contents(fp32_contents=PIXELS), Code.INVALID_ARGUMENT,
                                "values in fp32_contents, those of 'UINT8' stand in 'uint_contents'"),
    "numbers of two types": (contents(uint_contents=PIXELS, fp32_contents=PIXELS), Code.INVALID_ARGUMENT,
                             "values in fp32_contents"),
    "no output of that name": ({**BYTES, "outputs": [{"name": "odds"}]}, Code.INVALID_ARGUMENT, "none called 'odds'"),
    "an output twice": ({**BYTES, "outputs": [{"name": "probabilities"}] * 2}, Code.INVALID_ARGUMENT, "there twice"),
    "too many images": (
        {**other(shape=[4097, 1, 2, 2]), "raw_input_contents": [bytes(4 * 4097)]}, Code.RESOURCE_EXHAUSTED,
        "4097 images: send 4096 at a time",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "code", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_refused(server: Served, fields: dict[str, Any], code: grpc.StatusCode, said: str) -> None:
    found, message = refusal(server, "ModelInfer", **fields)
    assert found == code
    assert said in message


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\x05four", b"\x2b", b"no message at all"])
@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "ServerMetadata"])
def test_what_is_no_message_is_refused(server: Served, method: str, content: bytes) -> None:
    found, message = refusal(server, method, content)
    assert found == Code.INVALID_ARGUMENT
    assert message == f"the message is no {method}Request"


def test_a_method_that_is_none_is_named(server: Served) -> None:
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as fault:
        channel.unary_unary(f"/{SERVICE}/ModelConfig")(b"")
    assert fault.value.code() == Code.UNIMPLEMENTED


@given(st.data())
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(file: Path, data: st.DataObject) -> None:
    """Those of a message, bent: some taken away, some put in, some changed."""
    four, content = Model(file, "four"), bytearray(MESSAGES["ModelInferRequest"](**BYTES).SerializeToString())
    for _ in range(data.draw(st.integers(0, 4))):
        at, until = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        content[at:until] = data.draw(st.binary(max_size=8))
    with suppress(Refused):
        assert read(four, parse(bytes(content))).inputs["images"].shape[1:] == (1, 2, 2)


def field(number: int, content: bytes) -> bytes:
    """As protobuf writes one of so many bytes."""
    head, size = bytes([number << 3 | 2]), len(content)
    while size > 127:
        head, size = head + bytes([size & 127 | 128]), size >> 7
    return head + bytes([size]) + content


SIZE = MESSAGE_MB * MB - 200
FEW = NUMBERS_MB * MB - 200
NAME, TENSOR = field(1, b"four"), MESSAGES["InferInputTensor"](**INPUT).SerializeToString()
VAST = {
    "inputs without anything": NAME + field(5, b"") * (SIZE // 2),
    "numbers": NAME + field(5, TENSOR + field(5, field(4, b"\x01" * SIZE))),
    "numbers as far as they are read": NAME + field(5, TENSOR + field(5, field(4, b"\x01" * FEW))),
    "long numbers": NAME + field(5, TENSOR + field(5, field(3, b"\x01" * FEW))),
    "axes": NAME + field(5, field(1, b"images") + field(2, b"UINT8") + field(3, b"\x01" * FEW)),
    "unknown fields": NAME + field(5, TENSOR + b"\x58\x01" * (FEW // 2)),
    "parameters": NAME + field(5, TENSOR + b"".join(field(4, field(1, b"%x" % n)) for n in range(FEW // 10))),
    "a parameter again and again": NAME + field(5, TENSOR + field(4, b"") * (FEW // 2)),
    "groups in groups": NAME + field(5, b"\x5b" * (FEW // 2) + b"\x5c" * (FEW // 2)),
    "a name": field(1, b"x" * FEW),
    "bytes": NAME + field(5, TENSOR) + field(7, b"a" * SIZE),
}


@pytest.mark.parametrize("content", VAST.values(), ids=VAST)
def test_the_largest_messages_from_eight_at_once_stay_within_memory(file: Path, content: bytes) -> None:
    with served(file, "--grpc-port", "0") as server:
        ask(server, "ModelInfer", **BYTES)
        before, found = grown(server), list[tuple[grpc.StatusCode, str]]()
        askers = [
            threading.Thread(target=lambda: found.append(refusal(server, "ModelInfer", content))) for _ in range(8)
        ]
        for each in askers:
            each.start()
        for each in askers:
            each.join()
        assert len(found) == 8
        assert {code for code, _ in found} <= {
            Code.INVALID_ARGUMENT,
            Code.NOT_FOUND,
            Code.RESOURCE_EXHAUSTED,
            Code.UNAVAILABLE,
        }
        assert grown(server) - before < LIMIT_MB
        assert ask(server, "ModelInfer", **BYTES).model_name == "four"


def test_a_message_beyond_the_limit_is_not_read(server: Served) -> None:
    code, message = refusal(server, "ModelInfer", b"a" * (MESSAGE_MB * MB + 1))
    assert code == Code.RESOURCE_EXHAUSTED
    assert "larger than max" in message


def test_a_compressed_message_is_not_read(server: Served) -> None:
    with grpc.insecure_channel(server.grpc, compression=grpc.Compression.Gzip) as channel:
        call = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        with pytest.raises(grpc.RpcError) as fault:
            call(bytes(MB), timeout=20)
    assert fault.value.code() == Code.UNIMPLEMENTED


def test_messages_that_do_not_come_are_not_waited_for(server: Served) -> None:
    """As many as are received at a time begin a call and send nothing: others are answered when their time is over. A
    client that did nothing for longer than a connection may is answered all the same."""
    content, over = MESSAGES["ModelInferRequest"](**BYTES).SerializeToString(), threading.Event()

    def silent() -> Iterator[bytes]:
        over.wait(60)
        yield from ()

    channels = [grpc.insecure_channel(server.grpc) for _ in range(3)]
    slow, honest, idle = (channel.stream_unary(f"/{SERVICE}/ModelInfer") for channel in channels)
    assert idle(iter([content]), timeout=20)
    began = time.monotonic()
    waiting = [slow.future(silent()) for _ in range(AT_ONCE)]
    assert ask(server, "ServerLive").live  # is not read, and so waits for nobody
    assert honest(iter([content]), timeout=MESSAGE_S + 20)
    assert [each.code() for each in waiting] == [Code.DEADLINE_EXCEEDED] * AT_ONCE
    over.set()
    time.sleep(max(0.0, began + IDLE_S + 2 - time.monotonic()))
    assert idle(iter([content]), timeout=20)
    for channel in channels:
        channel.close()


def test_message_after_message_takes_no_more_memory(file: Path) -> None:
    """Refused or answered, none is kept."""
    largest = {"shape": [4096, 1, 2, 2], "raw": bytes(4096 * 4)}
    right = {**other(shape=largest["shape"]), "raw_input_contents": [largest["raw"]]}
    with served(file, "--grpc-port", "0") as server, grpc.insecure_channel(server.grpc) as channel:
        infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        content = MESSAGES["ModelInferRequest"](**right).SerializeToString()
        assert infer(content, timeout=20)
        before = grown(server)
        for _ in range(60):
            assert infer.future(VAST["bytes"], timeout=20).code() == Code.INVALID_ARGUMENT
        for _ in range(300):
            assert infer(content, timeout=20)
        assert grown(server) - before < 64


def test_a_call_whose_path_is_no_text_does_not_end_the_server(file: Path) -> None:
    with served(file, "--grpc-port", "0") as server:
        host, port = server.grpc.split(":")
        assert ask(server, "ServerLive").live
        with socket.create_connection((host, int(port)), timeout=20) as sock:
            sock.sendall(BEGIN + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, head(b"/\xff\xfe")))
            time.sleep(1)
        until(lambda: server.process.poll() is None and lives(server))
        assert ask(server, "ModelInfer", **BYTES).model_name == "four"
        server.process.terminate()
        lines = [json.loads(line) for line in server.process.communicate(timeout=30)[1].splitlines()]
    assert list(lines[-1]) == ["time", "level", "message"]
    assert lines[-1]["message"] == "gRPC: begun anew, after a call whose path is no text"


def test_a_port_that_another_process_has_taken_meanwhile_is_asked_for_again(file: Path) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as workers:
            models = Models([Running(Model(file, "four"), Threads(workers, 1))])
            rpc = Rpc(models, Figures(models), Room(), None, f"127.0.0.1:{free_port()}")
            await rpc.start()
            await rpc.stop(None)
            with socket.create_server(("127.0.0.1", int(rpc.address.split(":")[1]))):
                beginning = asyncio.create_task(rpc._begin_anew())
                await asyncio.sleep(AGAIN_S / 2)
                assert not beginning.done()
            await asyncio.wait_for(beginning, 5 * AGAIN_S)
            async with grpc.aio.insecure_channel(rpc.address) as channel:
                assert await channel.unary_unary(f"/{SERVICE}/ServerLive")(b"")
            await rpc.stop(None)

    asyncio.run(run())


def lives(server: Served) -> bool:
    try:
        return ask(server, "ServerLive").live
    except grpc.RpcError:
        return False


def test_a_call_under_way_is_finished_before_the_server_ends(file: Path) -> None:
    content, go = MESSAGES["ModelInferRequest"](**BYTES).SerializeToString(), threading.Event()

    def late() -> Iterator[bytes]:
        go.wait(20)
        yield content

    with served(file, "--grpc-port", "0") as server, grpc.insecure_channel(server.grpc) as channel:
        asked = channel.stream_unary(f"/{SERVICE}/ModelInfer").future(late())
        assert ask(server, "ModelReady", name="four").ready  # by now the call has arrived too
        server.process.terminate()
        threading.Timer(0.5, go.set).start()
        assert MESSAGES["ModelInferResponse"].FromString(asked.result(timeout=20)).model_name == "four"
        out, err = server.process.communicate(timeout=30)
    assert (server.process.returncode, out, err) == (0, "", "")


def test_only_who_has_the_token_is_answered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHWARZ_SERVE_TOKEN", TOKEN)
    with served(file, "--grpc-port", "0") as server:
        assert ask(server, "ServerLive").live
        assert ask(server, "ModelInfer", token=TOKEN, **BYTES).model_name == "four"
        for token in ("", TOKEN[:-1], f"{TOKEN}s"):
            code, message = refusal(server, "ModelInfer", token=token, **BYTES)
            assert code == Code.UNAUTHENTICATED
            assert message.endswith("authorization: Bearer <token>")
            assert TOKEN not in message


def test_calls_are_counted_with_the_requests_over_http(file: Path) -> None:
    with served(file, "--grpc-port", "0") as server:
        ask(server, "ModelInfer", **BYTES)
        refusal(server, "ModelInfer", **{**BYTES, "model_name": "nine"})
        with server.connect() as connection:
            connection.request("GET", "/metrics")
            told = connection.getresponse().read().decode()
    assert 'schwarz_requests_total{kind="infer",status="200"} 1.0' in told
    assert 'schwarz_requests_total{kind="infer",status="404"} 1.0' in told
