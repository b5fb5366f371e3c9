"""The models that are served, and what is asked of them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from schwarz.blueprint import Blueprint
from schwarz.coherent import Deployed
from schwarz.config import Network
from schwarz.export import export
from schwarz.files import write_atomic
from schwarz.partition import Partition

SHAPE, CLASSES = (3, 32, 32), 10
IMAGES = np.random.default_rng(0).integers(256, size=(64, *SHAPE)).astype(np.uint8)


@dataclass(frozen=True)
class Asked:
    """The body of a request: one image."""

    name: str
    content: bytes
    header: int | None = None
    """How long the JSON is, where the image stands behind it as bytes."""

    @property
    def headers(self) -> dict[str, str]:
        if self.header is None:
            return {"Content-Type": "application/json"}
        return {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(self.header)}


def as_json() -> Asked:
    return Asked("json", json.dumps({"inputs": [_tensor() | {"data": IMAGES[0].ravel().tolist()}]}).encode())


def as_bytes() -> Asked:
    """Asked for as bytes, and answered so."""
    tensor = _tensor() | {"parameters": {"binary_data_size": IMAGES[0].nbytes}}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return Asked("binary", header + IMAGES[0].tobytes(), len(header))


def _tensor() -> dict[str, object]:
    return {"name": "images", "datatype": "UINT8", "shape": [1, *SHAPE]}


def small(path: Path) -> Path:
    """One dense layer on the pixels, 10 microseconds: what is measured is the server."""
    weights = np.random.default_rng(0).normal(0, 1e-3, (np.prod(SHAPE), CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", *SHAPE])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", CLASSES])
    graph = helper.make_graph(nodes, "small", [images], [probabilities], [numpy_helper.from_array(weights, "weights")])
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    write_atomic(path, whole.SerializeToString())
    return path


def four_networks(path: Path) -> Deployed:
    """Four ResNet20 16/32/64 and a coarse net, with random weights, exported as the pipeline does."""
    parts = Partition.grid(SHAPE[1:], (2, 2))
    plan = Blueprint(Network(family="resnet20"), parts, SHAPE, 0, (0.5,) * 3, (0.25,) * 3, CLASSES)
    module = Deployed(plan.divided(plan.local_networks(0), plan.coarse_net((128, 128, 128, 128), 0))).eval()
    export(module, path, image_shape=SHAPE)
    return module
