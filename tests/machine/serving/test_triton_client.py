"""Triton's own client, as it comes, gets onnxruntime's own numbers from a served model: as JSON, as bytes, mixed, over
HTTP and over gRPC."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as rpc
import tritonclient.http as triton
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from schwarz.blueprint import Blueprint
from schwarz.coherent import Deployed
from schwarz.combine import CoarseNet
from schwarz.config import Network
from schwarz.export import export
from schwarz.partition import Partition
from schwarz.serving.rpc.messages import MESSAGES, SERVICE
from tests.unit.serving.served import Served, served

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
IMAGES = np.random.default_rng(0).integers(256, size=(5, 1, 28, 28)).astype(np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four local networks and a coarse net as the pipeline exports them, with random weights."""
    plan = Blueprint(Network(family="vgg9"), Partition.grid((32, 32), (2, 2)), (1, 28, 28), 2, (0.3,), (0.3,), 10)
    path = tmp_path_factory.mktemp("model") / "digits.onnx"
    locals_ = [each.eval() for each in plan.local_networks(0)]
    export(Deployed(plan.divided(locals_, CoarseNet(4, 10, (16, 16)))), path, image_shape=(1, 28, 28))
    return path


@pytest.fixture(scope="module")
def server(file: Path) -> Iterator[Served]:
    with served(file, "--grpc-port", "0") as one:
        yield one


@pytest.fixture
def client(server: Served) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"{server.host}:{server.port}") as one:
        yield one


def test_it_is_alive_and_says_what_it_takes(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    about = client.get_model_metadata("digits")
    assert about["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 1, 28, 28]}]
    assert [each["name"] for each in about["outputs"]] == ["probabilities", "local_probabilities"]


@pytest.mark.parametrize("bytes_in", [False, True])
@pytest.mark.parametrize("bytes_out", [False, True])
def test_the_numbers_are_onnxruntimes_own(
    client: triton.InferenceServerClient, file: Path, bytes_in: bool, bytes_out: bool
) -> None:
    given = triton.InferInput("images", list(IMAGES.shape), "UINT8")
    given.set_data_from_numpy(IMAGES, binary_data=bytes_in)
    names = ("probabilities", "local_probabilities")
    asked = [triton.InferRequestedOutput(name, binary_data=bytes_out) for name in names]
    answer = client.infer("digits", [given], outputs=asked, request_id="seven")
    assert answer.get_response()["id"] == "seven"
    expected = onnxruntime.InferenceSession(file).run(list(names), {"images": IMAGES})
    for name, values in zip(names, expected, strict=True):
        found = answer.as_numpy(name)
        assert found is not None
        assert np.abs(found - np.asarray(values)).max() < 1e-6  # one thread against several: sums in another order
        assert found.shape == np.asarray(values).shape


def test_many_at_once_get_their_own(client: triton.InferenceServerClient, file: Path) -> None:
    """Computed together, each is answered with what is its own."""
    waiting = []
    for image in IMAGES:
        given = triton.InferInput("images", [1, 1, 28, 28], "UINT8")
        given.set_data_from_numpy(image[None])
        waiting.append(client.async_infer("digits", [given]))
    (expected, _) = onnxruntime.InferenceSession(file).run(None, {"images": IMAGES})
    for each, row in zip(waiting, np.asarray(expected), strict=True):
        found = each.get_result().as_numpy("probabilities")
        assert found is not None
        assert np.abs(found[0] - row).max() < 1e-6


def test_a_refusal_is_its_exception(client: triton.InferenceServerClient) -> None:
    given = triton.InferInput("images", [1, 1, 28, 27], "UINT8")
    given.set_data_from_numpy(IMAGES[:1, :, :, :27])
    with pytest.raises(InferenceServerException, match=r"shape \[1, 1, 28, 27\], the model takes \[-1, 1, 28, 28\]"):
        client.infer("digits", [given])


@pytest.fixture
def rpc_client(server: Served) -> Iterator[rpc.InferenceServerClient]:
    with rpc.InferenceServerClient(server.grpc) as one:
        yield one


def test_over_grpc_it_is_alive_and_says_what_it_takes(
    rpc_client: rpc.InferenceServerClient, client: triton.InferenceServerClient
) -> None:
    assert rpc_client.is_server_live()
    assert rpc_client.is_server_ready()
    assert rpc_client.is_model_ready("digits")
    server: Any = rpc_client.get_server_metadata()
    assert server.name == "schwarz"
    about: Any = rpc_client.get_model_metadata("digits", as_json=True)
    told = client.get_model_metadata("digits")
    for part in ("inputs", "outputs"):  # protobuf writes whole numbers of 64 bits as text
        assert [{**each, "shape": list(map(int, each["shape"]))} for each in about[part]] == told[part]


def test_over_grpc_the_numbers_are_onnxruntimes_own(rpc_client: rpc.InferenceServerClient, file: Path) -> None:
    given = rpc.InferInput("images", list(IMAGES.shape), "UINT8")
    given.set_data_from_numpy(IMAGES)
    names = ("local_probabilities", "probabilities")
    answer = rpc_client.infer("digits", [given], outputs=[rpc.InferRequestedOutput(name) for name in names])
    assert answer is not None
    expected = onnxruntime.InferenceSession(file).run(list(names), {"images": IMAGES})
    for name, values in zip(names, expected, strict=True):
        found = answer.as_numpy(name)
        assert found is not None
        assert np.abs(found - np.asarray(values)).max() < 1e-6


def test_a_refusal_over_grpc_is_its_exception(rpc_client: rpc.InferenceServerClient) -> None:
    given = rpc.InferInput("images", [1, 1, 28, 27], "UINT8")
    given.set_data_from_numpy(IMAGES[:1, :, :, :27])
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT\] input 'images': shape \[1, 1, 28, 27\]"):
        rpc_client.infer("digits", [given])


def described(descriptor: Any) -> dict[int, tuple[str, int, bool, Any]]:
    """Of each number a field's name, type, whether there are several, and what it is a message of."""
    return {
        each.number: (each.name, each.type, each.is_repeated, each.message_type and described(each.message_type))
        for each in descriptor.fields
    }


@pytest.mark.parametrize("name", [name for name in MESSAGES if name.endswith(("Request", "Response"))])
def test_the_messages_are_the_protocols(name: str) -> None:
    assert described(MESSAGES[name].DESCRIPTOR) == described(getattr(service_pb2, name).DESCRIPTOR)
    assert service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name == SERVICE
