"""Measure every strategy."""

from kfp.dsl import Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from components import component


@component
def evaluate(
    strategies: list, images: Input[Dataset], evaluation: Output[Artifact], metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    fleet: Input[list[Model]] | None = None, coarse: Input[Model] | None = None,
    coherent: Input[Model] | None = None, transfer: Input[Model] | None = None, composed: Input[Model] | None = None,
    composed_tuned: Input[Model] | None = None, global_network: Input[Model] | None = None,
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.evaluate import confusion_of_best, evaluate, roc_of_best
    from schwarz.steps.frame import folder_of

    networks = {
        "coarse": coarse, "coherent": coherent, "transfer": transfer, "composed": composed,
        "composed_tuned": composed_tuned, "global_": global_network,
    }  # fmt: skip
    given = {name: folder_of(artifact) for name, artifact in networks.items()}
    given |= {"locals_": [Path(pod.path) for pod in fleet or []], "images": Path(images.path)}
    measured = evaluate(strategies=strategies, **given, out=Path(evaluation.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
    confusion.log_confusion_matrix(*confusion_of_best(Path(evaluation.path)))
    confusion.log_roc_curve(*roc_of_best(Path(evaluation.path)))
