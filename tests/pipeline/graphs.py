"""The smallest graph with the input and the output of an exported model, made without torch."""

from pathlib import Path

from onnx import TensorProto, helper

from schwarz.files import write_atomic


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
    graph = helper.make_graph(nodes, "model", [images], [probabilities], [factor])
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(whole, {"strategy": "global"})
    write_atomic(path, whole.SerializeToString(deterministic=True))
    return path
