"""A model in whole numbers of 8 bits says nearly what it said, and is not kept where it does not."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from schwarz.export import export
from schwarz.images import Labelled
from schwarz.int8 import accuracy, in_int8, quantise
from tests.unit.test_export import METADATA, Small


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (100, 1, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    export(Small(), path, image_shape=(1, 28, 28), metadata=METADATA)
    return path


@pytest.fixture(scope="module")
def labelled(file: Path, images: np.ndarray) -> Labelled:
    """Every image has the class that the model gives it."""
    named = onnxruntime.InferenceSession(file).run(None, {"images": images})[0]
    return Labelled(images, np.asarray(named).argmax(-1))


def test_it_says_nearly_the_same(file: Path, images: np.ndarray, tmp_path: Path) -> None:
    small = tmp_path / "int8.onnx"
    quantise(file, small, images)
    for whole, found in zip(
        onnxruntime.InferenceSession(file).run(None, {"images": images}),
        onnxruntime.InferenceSession(small).run(None, {"images": images}),
        strict=True,
    ):
        assert 0 < np.abs(np.asarray(whole) - np.asarray(found)).max() < 0.02


def test_its_convolutions_have_8_bits_and_it_says_what_it_is(file: Path, images: np.ndarray, tmp_path: Path) -> None:
    quantise(file, tmp_path / "int8.onnx", images)
    found = onnx.load(tmp_path / "int8.onnx")
    scaled = {node.output[0] for node in found.graph.node if node.op_type == "DequantizeLinear"}
    assert all(name in scaled for node in found.graph.node if node.op_type == "Conv" for name in node.input[:2])
    assert {each.key: each.value for each in found.metadata_props}.items() >= METADATA.items()


class Residual(nn.Module):
    """A convolution, a block that is added to what it was given, and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(channels, 4, 3, padding=1) for channels in (1, 4, 4))
        self.dense = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images.float() / 255).relu()
        return self.dense((x + self.third(self.second(x).relu())).relu().mean((2, 3)))


def test_between_convolutions_nothing_goes_to_float32_and_back(images: np.ndarray, tmp_path: Path) -> None:
    export(Residual(), tmp_path / "residual.onnx", image_shape=(1, 28, 28))
    quantise(tmp_path / "residual.onnx", tmp_path / "int8.onnx", images)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "computed.onnx")  # what onnxruntime makes of it
    options.log_severity_level = 3  # it warns that this file is for this processor
    onnxruntime.InferenceSession(tmp_path / "int8.onnx", options)
    layers = Counter(node.op_type for node in onnx.load(tmp_path / "computed.onnx").graph.node)
    assert (layers["QLinearConv"], layers["QLinearAdd"]) == (3, 1)
    assert (layers["QuantizeLinear"], layers["DequantizeLinear"]) == (1, 1)  # on the way in, and on the way out


def test_the_same_images_give_the_same_bytes(file: Path, images: np.ndarray, tmp_path: Path) -> None:
    for name in ("one", "two"):
        quantise(file, tmp_path / name, images)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_it_is_kept_within_the_margin_alone(file: Path, labelled: Labelled) -> None:
    out = file.with_name("small-int8.onnx")
    kept = in_int8(file, labelled, labelled, margin=0.1)
    assert (kept.file, kept.float32) == (out.name, 1.0)
    assert kept.accuracy == accuracy(out, labelled) >= 0.9
    out.unlink()
    refused = in_int8(file, labelled, labelled, margin=-0.01)  # it would have to be better
    assert (refused.file, refused.float32) == (None, 1.0)
    assert list(file.parent.iterdir()) == [file]
