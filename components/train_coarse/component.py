"""Train the coarse net."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components import component


@component
def train_coarse(
    seed: int,
    augment: str,
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
    given |= {"seed": seed, "augment": augment, "coarse": coarse, "local": local}
    measured = train_coarse(**given, out=Path(net.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
