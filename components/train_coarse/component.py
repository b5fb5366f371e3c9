"""Train the coarse net."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components import component


@component
def train_coarse(
    seed: int,
    coarse: str,
    local: str,
    images: Input[Dataset],
    shards: Input[Dataset],
    fleet: Input[list[Model]],
    net: Output[Model],
    metrics: Output[Metrics],
):
    from pathlib import Path

    from schwarz.steps.train_coarse import train_coarse

    given = {"images": Path(images.path), "shards": Path(shards.path), "locals_": [Path(pod.path) for pod in fleet]}
    measured = train_coarse(seed=seed, coarse=coarse, local=local, **given, out=Path(net.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
