"""Train the local networks of one pod."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components import component


@component
def train_local(
    seed: int,
    network: str,
    augment: str,
    local: str,
    pod: int,
    pods: int,
    shards: Input[Dataset],
    fleet: Output[Model],
    metrics: Output[Metrics],
):
    from pathlib import Path

    from schwarz.steps.train_local import train_local

    given = {"seed": seed, "network": network, "augment": augment, "local": local, "pod": pod, "pods": pods}
    measured = train_local(**given, shards=Path(shards.path), out=Path(fleet.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
