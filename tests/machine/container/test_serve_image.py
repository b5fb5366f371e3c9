"""The image that serves starts, and answers, with nothing to write to, no network and no name."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.container.engine import ALONE, Images, container, docker
from tests.pipeline.graphs import model
from tests.waiting import until

ASK = """
import sys, urllib.request
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
print(urllib.request.urlopen("http://127.0.0.1:8080" + sys.argv[1], body, timeout=5).read().decode())
"""


@pytest.fixture(scope="module")
def server(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = model(tmp_path_factory.mktemp("model") / "four.onnx")
    file.chmod(0o644)
    mount = f"--volume={file}:/models/four.onnx:ro"
    with container(*ALONE, mount, images.name("serve"), "/models/four.onnx") as identity:
        until(lambda: "Serving four, version 1, at http://0.0.0.0:8080" in docker("logs", identity))
        yield identity


def ask(server: str, path: str, body: Any = None) -> dict[str, Any]:
    """A request from inside the container, which nobody else can reach."""
    content = [] if body is None else [json.dumps(body)]
    return json.loads(docker("exec", server, "python", "-c", ASK, path, *content))


def test_it_answers_from_inside(server: str) -> None:
    assert ask(server, "/v2/health/ready") == {"ready": True}
    pixels = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 2], "data": [0, 1, 2, 3]}
    (output,) = ask(server, "/v2/models/four/infer", {"inputs": [pixels]})["outputs"]
    powers = [math.exp(score) for score in range(4)]
    assert output["data"] == pytest.approx([power / sum(powers) for power in powers])


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
