"""The image that serves starts, and answers, with nothing to write to, no network and no name."""

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from schwarz.serving.pictures import png
from tests.machine.container.engine import ALONE, Images, container, docker
from tests.pipeline.graphs import divided, model
from tests.waiting import until

ASK = """
import base64, sys, urllib.request
body = base64.b64decode(sys.argv[2]) if len(sys.argv) > 2 else None
print(urllib.request.urlopen("http://127.0.0.1:8080" + sys.argv[1], body, timeout=5).read().decode())
"""

CALL = """
import grpc
from schwarz.serving.rpc.messages import MESSAGES, SERVICE
content = MESSAGES["ModelMetadataRequest"](name="four").SerializeToString()
answer = grpc.insecure_channel("127.0.0.1:8081").unary_unary(f"/{SERVICE}/ModelMetadata")(content, timeout=5)
print(MESSAGES["ModelMetadataResponse"].FromString(answer).platform)
"""


@pytest.fixture(scope="module")
def server(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("model")
    files = [model(folder / "four.onnx"), divided(folder / "halves.onnx")]
    mounts = [f"--volume={file}:/models/{file.name}:ro" for file in files]
    inside = [f"/models/{file.name}" for file in files]
    with container(*ALONE, *mounts, images.name("serve"), *inside, "--grpc-port=8081") as identity:
        until(lambda: "Serving four, version 1, at http://0.0.0.0:8080" in docker("logs", identity))
        yield identity


def ask(server: str, path: str, body: bytes | None = None) -> str:
    """A request from inside the container, which nobody else can reach."""
    content = [] if body is None else [base64.b64encode(body).decode()]
    return docker("exec", server, "python", "-c", ASK, path, *content)


def test_it_answers_from_inside(server: str) -> None:
    assert json.loads(ask(server, "/v2/health/ready")) == {"ready": True}
    pixels = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}
    body = json.dumps({"inputs": [pixels]}).encode()
    (output,) = json.loads(ask(server, "/v2/models/four/infer", body))["outputs"]
    powers = [math.exp(score) for score in range(4)]
    assert output["data"] == pytest.approx([power / sum(powers) for power in powers])


def test_it_answers_grpc(server: str) -> None:
    assert docker("exec", server, "python", "-c", CALL).strip() == "onnxruntime_onnx"


def test_it_shows_its_page_and_reads_pictures(server: str) -> None:
    assert "<title>" in ask(server, "/")
    picture = png(np.array([[[7, 0], [7, 0]]], np.uint8))
    assert json.loads(ask(server, "/v1/models/halves/predict", picture))["class"] == "left"


def test_it_ends_when_it_is_told_to(images: Images, tmp_path: Path) -> None:
    file = model(tmp_path / "four.onnx")
    file.chmod(0o644)
    with container(*ALONE, f"--volume={file}:/m.onnx:ro", images.name("serve"), "/m.onnx") as identity:
        until(lambda: "Serving m, " in docker("logs", identity))
        docker("stop", "--time=20", identity)
        assert docker("inspect", "--format={{.State.ExitCode}}", identity).strip() == "0"


def test_the_command_line_is_whole_without_torch(images: Images) -> None:
    told = docker("run", "--rm", *ALONE, "--entrypoint=schwarz", images.name("serve"), "--help")
    assert "serve" in told
