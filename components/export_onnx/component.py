"""Export the chosen strategy as ONNX."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components import component


@component
def export_onnx(
    preset: str, export: str, begun: Input[Artifact], images: Input[Dataset], evaluation: Input[Artifact],
    exported: Output[Model], metrics: Output[Metrics],
    fleet: Input[list[Model]] | None = None, coarse: Input[Model] | None = None,
    coherent: Input[Model] | None = None, transfer: Input[Model] | None = None, composed: Input[Model] | None = None,
    composed_tuned: Input[Model] | None = None, global_network: Input[Model] | None = None,
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.export_onnx import export_onnx
    from schwarz.steps.frame import folder_of

    folders = {
        "begun": begun, "images": images, "evaluation": evaluation, "coarse": coarse, "coherent": coherent,
        "transfer": transfer, "composed": composed, "composed_tuned": composed_tuned, "global_": global_network,
    }  # fmt: skip
    given = {name: folder_of(artifact) for name, artifact in folders.items()}
    locals_ = [Path(pod.path) for pod in fleet or []]
    measured = export_onnx(preset=preset, export_=export, **given, locals_=locals_, out=Path(exported.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
