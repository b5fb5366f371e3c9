"""An ONNX file in onnxruntime, and what it takes and gives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,
    RuntimeException,
)

from schwarz.described import Description
from schwarz.errors import WrongInput
from schwarz.serving.refused import Refused
from schwarz.serving.tensors import OPEN, Tensor

PLATFORM = "onnxruntime_onnx"
TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32", "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32", "tensor(int64)": "INT64",
    "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64",
}  # fmt: skip
"""onnxruntime's names of what elements are, and the protocol's."""


class Model:
    """A loaded model under the name it is served by. Several threads may `run` it at once."""

    def __init__(self, path: Path, name: str, version: str = "1") -> None:
        """Each call computes on one thread: requests are what runs side by side."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its own lines are no JSON, anybody can cause them, and a fault says the same
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented) as cause:
            reason = str(cause).splitlines()[0]
            raise WrongInput(f"{path}: onnxruntime cannot load it ({reason}). Name an ONNX model.") from None
        self.name, self.version = name, version
        self.description = Description.of(self._session.get_modelmeta().custom_metadata_map)
        self.inputs = _tensors(self._session.get_inputs(), path)
        self.outputs = _tensors(self._session.get_outputs(), path)
        nodes = [*self._session.get_inputs(), *self._session.get_outputs()]
        first = {node.shape[0] if node.shape else None for node in nodes}
        self._batches = len(first) == 1 and isinstance(first.pop(), str)

    def metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": [tensor.metadata() for tensor in self.inputs.values()],
            "outputs": [tensor.metadata() for tensor in self.outputs.values()],
        }

    @property
    def batches(self) -> bool:
        """Whether requests can be computed together: one name stands for the first axis of every tensor."""
        return self._batches

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """What the model gives under each of the names."""
        try:
            results = self._session.run(list(outputs), dict(inputs))
        except (InvalidArgument, Fail, NotImplemented, RuntimeException) as cause:
            reason = str(cause).splitlines()[0][:400]
            raise Refused(f"model {self.name!r} cannot compute with these inputs: {reason}") from None
        return {name: np.asarray(result) for name, result in zip(outputs, results, strict=True)}


def _tensors(nodes: Sequence[Any], path: Path) -> dict[str, Tensor]:
    """What onnxruntime says of inputs or outputs; an axis without a fixed size is open."""
    tensors = {}
    for node in nodes:
        if node.type not in TYPES:
            raise WrongInput(f"{path}: {node.name!r} is a {node.type}, which cannot be served: only numbers can.")
        shape = tuple(size if isinstance(size, int) else OPEN for size in node.shape)
        tensors[node.name] = Tensor(node.name, TYPES[node.type], shape)
    return tensors
