"""Train the global network: from random weights, or fine-tune the composed one."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components import component


@component
def train_global(
    seed: int, network: str, augment: str, global_network: str,
    images: Input[Dataset], shards: Input[Dataset], model: Output[Model], metrics: Output[Metrics],
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.train_global import train_global

    given = {"seed": seed, "network": network, "augment": augment, "global_": global_network}
    measured = train_global(**given, images=Path(images.path), shards=Path(shards.path), out=Path(model.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)


@component
def tune(
    seed: int, augment: str, tune: str,
    images: Input[Dataset], composed: Input[Model], fleet: Input[list[Model]],
    model: Output[Model], metrics: Output[Metrics],
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.train_global import tune as train

    given = {"seed": seed, "augment": augment, "tune": tune, "locals_": [Path(pod.path) for pod in fleet]}
    measured = train(**given, images=Path(images.path), composed=Path(composed.path), out=Path(model.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
