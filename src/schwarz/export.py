"""One ONNX graph that takes whole raw images: padding, normalisation and the cut into boxes are inside it.

Input `images`, uint8 [batch, C, H, W]; outputs `probabilities` [batch, K] and, where local networks exist,
`local_probabilities` [batch, boxes, K]. What the model is stands in its metadata properties.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.onnx import ONNXProgram

from schwarz.described import INPUT, OUTPUTS
from schwarz.errors import StepFailed
from schwarz.files import write_atomic

BATCHES = (1, 7, 64)

# Rounding alone gave gaps up to 1e-6: float32 sums of a few thousand terms in another order, behind a softmax.
# A wrong graph (a lost normalisation, a shifted box, a swapped axis) gave gaps above 1e-2. This lies between.
TOLERANCE = 1e-4


def export(
    module: nn.Module, path: Path, *, image_shape: tuple[int, ...], metadata: Mapping[str, str] | None = None
) -> None:
    """Write `module` as ONNX. It maps uint8 [batch, *image_shape] to probabilities, or to the pair of OUTPUTS.

    The module is put into eval mode. The same module and metadata give the same bytes, wherever the code lies.
    """
    images = torch.zeros((2, *image_shape), dtype=torch.uint8)
    with torch.inference_mode():
        names = OUTPUTS[: len(_outputs(module.eval(), images))]
    with _quiet():
        program = torch.onnx.export(
            module,
            (images,),
            input_names=[INPUT],
            output_names=list(names),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    model = cast(ONNXProgram, program).model_proto  # with dynamo=True always a program
    _forget_sources(model.graph)
    onnx.helper.set_model_props(model, dict(sorted((metadata or {}).items())))
    onnx.checker.check_model(model, full_check=True)
    write_atomic(path, model.SerializeToString(deterministic=True))


def parity(module: nn.Module, path: Path, images: np.ndarray) -> dict[str, float]:
    """Largest absolute gap between torch and onnxruntime over all outputs, for each of BATCHES.

    `images` are real ones, uint8 [n, C, H, W]; they are repeated where a batch wants more.
    """
    run = session(path)
    gaps = {}
    for batch in BATCHES:
        sample = np.resize(images, (batch, *images.shape[1:]))
        with torch.inference_mode():
            ours = [output.numpy() for output in _outputs(module.eval(), torch.from_numpy(sample))]
        theirs = run.run(None, {INPUT: sample})
        gaps[str(batch)] = max(float(np.abs(a - np.asarray(b)).max()) for a, b in zip(ours, theirs, strict=True))
    return gaps


def check(module: nn.Module, path: Path, images: np.ndarray) -> dict[str, float]:
    """`parity`, refused when a gap is above TOLERANCE or is not a number."""
    gaps = parity(module, path, images)
    for batch, gap in gaps.items():
        if not gap <= TOLERANCE:
            raise StepFailed(
                f"{path}: at batch {batch} onnxruntime and torch differ by {gap:.2e}, allowed are {TOLERANCE:.0e}. "
                "The exported graph is not the trained model: it is not registered."
            )
    return gaps


def session(path: Path) -> onnxruntime.InferenceSession:
    """The exported model in onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _outputs(module: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    result = module(images)
    return result if isinstance(result, tuple) else (result,)


def _forget_sources(graph: onnx.GraphProto) -> None:
    """Drop torch's notes on nodes and values: they hold absolute paths of source files, so that bytes would differ."""
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph):
        item.ClearField("metadata_props")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what `verbose=False` leaves: the lack of torchvision, and torch's own use of a deprecated test."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")  # "torchvision is not installed"
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
