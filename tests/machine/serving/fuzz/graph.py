"""A graph that takes three kinds of values and gives back what can be foretold to the last bit."""

from pathlib import Path

from onnx import TensorProto, helper

from schwarz.files import write_atomic

NAME = "three"


def three(folder: Path) -> Path:
    """Bytes as class scores, numbers with the other sign, truths turned round."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["scores"]),
        helper.make_node("Neg", ["weights"], ["negated"]),
        helper.make_node("Not", ["flags"], ["turned"]),
    ]
    tensor = helper.make_tensor_value_info
    inputs = [
        tensor("images", TensorProto.UINT8, ["batch", 1, 2, 2]),
        tensor("weights", TensorProto.FLOAT, ["batch", 2]),
        tensor("flags", TensorProto.BOOL, ["batch", 1]),
    ]
    outputs = [
        tensor("scores", TensorProto.FLOAT, ["batch", 4]),
        tensor("negated", TensorProto.FLOAT, ["batch", 2]),
        tensor("turned", TensorProto.BOOL, ["batch", 1]),
    ]
    graph = helper.make_graph(nodes, NAME, inputs, outputs)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    write_atomic(folder / f"{NAME}.onnx", whole.SerializeToString())
    return folder / f"{NAME}.onnx"
