"""The ONNX graph equals the torch module, says what it is, and is the same file each time."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from schwarz import export
from schwarz.errors import StepFailed

STARTS = ((0, 0), (0, 16), (16, 0), (16, 16))
METADATA = {"classes": json.dumps(["a", "b", "c"]), "strategy": "coarse", "data.md5": "0" * 32 + ".dir"}


class Small(nn.Module):
    """What a real run exports, in small: raw uint8 images, zero padding, four boxes, a coarse net."""

    def __init__(self, pair: bool = True) -> None:
        super().__init__()
        self.pair = pair
        self.locals = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Dropout(0.5),
                nn.Linear(256, 3),
            )
            for _ in STARTS
        )
        self.coarse = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = (nn.functional.pad(images.float() / 255, (2, 2, 2, 2)) - 0.3) / 0.35
        each = [net(x[..., i : i + 16, j : j + 16]) for net, (i, j) in zip(self.locals, STARTS, strict=True)]
        locals_ = torch.stack(each, 1).softmax(-1)
        whole = self.coarse(locals_.flatten(1)).softmax(-1)
        return (whole, locals_) if self.pair else whole


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return Small()


@pytest.fixture(scope="module")
def file(module: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "new" / "coarse.onnx"
    export.export(module, path, image_shape=(1, 28, 28), metadata=METADATA)
    return path


def shape(value: onnx.ValueInfoProto) -> tuple[str, int, list[str | int]]:
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, [d.dim_param or d.dim_value for d in tensor.shape.dim]


def test_graph_has_the_names_types_and_shapes_of_the_contract(file: Path) -> None:
    graph = onnx.load(file).graph
    assert [shape(v) for v in graph.input] == [("images", onnx.TensorProto.UINT8, ["batch", 1, 28, 28])]
    assert [shape(v) for v in graph.output] == [
        ("probabilities", onnx.TensorProto.FLOAT, ["batch", 3]),
        ("local_probabilities", onnx.TensorProto.FLOAT, ["batch", 4, 3]),
    ]


def test_model_says_what_it_is(file: Path) -> None:
    found = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
    assert found == METADATA


def test_module_without_local_networks_has_one_output(tmp_path: Path) -> None:
    export.export(Small(pair=False), tmp_path / "global.onnx", image_shape=(1, 28, 28))
    assert [v.name for v in onnx.load(tmp_path / "global.onnx").graph.output] == ["probabilities"]


def test_onnxruntime_agrees_with_torch_at_every_batch(module: nn.Module, file: Path, images: np.ndarray) -> None:
    gaps = export.check(module, file, images)
    assert list(gaps) == ["1", "7", "64"]
    assert max(gaps.values()) < 1e-6


def test_eval_mode_is_what_is_exported(module: nn.Module, file: Path, images: np.ndarray) -> None:
    module.train()
    assert max(export.parity(module, file, images).values()) < 1e-6
    assert not module.training


def test_another_model_is_refused_naming_batch_gap_and_tolerance(file: Path, images: np.ndarray) -> None:
    torch.manual_seed(1)
    with pytest.raises(StepFailed, match=r"coarse\.onnx: at batch 1 .* differ by \d\.\d\de[+-]\d\d, .* 1e-04"):
        export.check(Small(), file, images)


def test_a_model_of_nans_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    broken = Small()
    nn.init.constant_(next(broken.coarse.parameters()), torch.nan)
    export.export(broken, tmp_path / "nan.onnx", image_shape=(1, 28, 28))
    with pytest.raises(StepFailed, match="differ by nan"):
        export.check(broken, tmp_path / "nan.onnx", images)


SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from network import METADATA, Small
from schwarz import export
torch.manual_seed(0)
export.export(Small(), Path(sys.argv[2]), image_shape=(1, 28, 28), metadata=METADATA)
"""


def test_bytes_repeat_in_another_process_and_place_and_nothing_is_printed(file: Path, tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "network.py")
    again = tmp_path / "again.onnx"
    command = [sys.executable, "-W", "default::FutureWarning", "-c", SCRIPT, str(tmp_path), str(again)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert again.read_bytes() == file.read_bytes()
    assert str(tmp_path).encode() not in again.read_bytes()


def test_failed_export_leaves_no_file(tmp_path: Path) -> None:
    class Unexportable(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.float() if images.sum().item() else images.float() + 1

    with pytest.raises(torch.onnx.OnnxExporterError):
        export.export(Unexportable(), tmp_path / "m.onnx", image_shape=(1, 2, 2))
    assert not list(tmp_path.iterdir())
