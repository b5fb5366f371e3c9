"""Make one global network of the trained local ones, and check what the theory says of it."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components import component


@component
def compose(
    composition: str, images: Input[Dataset], fleet: Input[list[Model]],
    composed: Output[Model], metrics: Output[Metrics],
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.compose import compose

    given = {"compose": composition, "images": Path(images.path), "locals_": [Path(pod.path) for pod in fleet]}
    measured = compose(**given, out=Path(composed.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
