"""The smallest graphs with the input and the outputs of an exported model, made without torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from schwarz.described import Description
from schwarz.files import write_atomic
from schwarz.partition import Partition


def model(path: Path, scale: float = 1.0) -> Path:
    """Four pixels are the scores of four classes: the smallest graph with the contract's input and output."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("Mul", ["flat", "scale"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, 2, 2])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 4])
    factor = helper.make_tensor("scale", TensorProto.FLOAT, [1], [scale])
    return graph(path, nodes, [images], [probabilities], [factor], {"strategy": "global"})


def identity(path: Path, kind: int) -> Path:
    """A graph that gives back, as `y`, the two values of any type that it gets as `x`."""
    given, back = (helper.make_tensor_value_info(name, kind, ["batch", 2]) for name in "xy")
    return graph(path, [helper.make_node("Identity", ["x"], ["y"])], [given], [back], [])


def wide(path: Path, values: int) -> Path:
    """A graph that gives so many values, as `y`, for the one that it gets as `x`, and `z`, which is `x`."""
    nodes = [
        helper.make_node("Expand", ["x", "shape"], ["same"]),
        helper.make_node("Cast", ["same"], ["y"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["x"], ["z"]),
    ]
    given, same = (helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", 1]) for name in "xz")
    back = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", values])
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1, values])
    return graph(path, nodes, [given], [back, same], [shape])


def table(path: Path, row: Sequence[float] = (0, 10, 20, 30)) -> Path:
    """`y` is what stands at place `x` of a row: whether it can be computed depends on what is asked."""
    x = helper.make_tensor_value_info("x", TensorProto.INT64, ["batch", 1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])
    values = helper.make_tensor("row", TensorProto.FLOAT, [len(row)], row)
    return graph(path, [helper.make_node("Gather", ["row", "x"], ["y"])], [x], [y], [values])


def scaled(path: Path, rows: int | str = "batch") -> Path:
    """`y` is `x` times a number `s`, which has no axis for images: no two requests can be computed together."""
    s = helper.make_tensor_value_info("s", TensorProto.FLOAT, [])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, 2]) for name in "xy")
    return graph(path, [helper.make_node("Mul", ["x", "s"], ["y"])], [s, x], [y], [])


def divided(path: Path, votes: bool = True) -> Path:
    """Two boxes, the upper and the lower two pixels of a picture: their values are the scores of two classes. The
    decision is the average of the two votes, which may be kept for itself. A missing pixel is 100."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Squeeze", ["float", "axis"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["local_probabilities"]),
        helper.make_node("ReduceMean", ["local_probabilities", "axis"], ["probabilities"], keepdims=0),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, 2, 2])
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2]),
        helper.make_tensor_value_info("local_probabilities", TensorProto.FLOAT, ["batch", 2, 2]),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    return graph(path, nodes, [images], outputs if votes else outputs[:1], [axis], HALVES.properties())


HALVES = Description(
    strategy="average", preset="halves", data_md5="0" * 32, commit="none", classes=("left", "right"),
    boxes=Partition.grid((2, 2), (2, 1)).boxes, pad=0, blank=np.full((1, 2, 2), 100, np.uint8),
    samples=np.array([[[[9, 0], [9, 0]]], [[[0, 9], [0, 9]]]], np.uint8), sample_classes=(0, 1),
)  # fmt: skip
"""What the graph of `divided` says of itself."""


def graph(
    path: Path, nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto],
    constants: Sequence[TensorProto], properties: Mapping[str, str] = {},
) -> Path:  # fmt: skip
    """Any graph."""
    made = helper.make_graph(nodes, "model", inputs, outputs, constants)
    whole = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(whole, dict(properties))
    write_atomic(path, whole.SerializeToString(deterministic=True))
    return path
