"""Train local networks and coarse net as one model: from scratch, or from trained local networks."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components import component


@component
def train_coherent(
    seed: int, network: str, augment: str, coarse: str, coherent: str,
    images: Input[Dataset], shards: Input[Dataset], model: Output[Model], metrics: Output[Metrics],
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.train_coherent import train_coherent

    given = {"seed": seed, "network": network, "augment": augment, "coarse": coarse, "coherent": coherent}
    measured = train_coherent(**given, images=Path(images.path), shards=Path(shards.path), out=Path(model.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)


@component
def train_transfer(
    seed: int, network: str, augment: str, local: str, coarse: str, transfer: str,
    images: Input[Dataset], shards: Input[Dataset],
    fleet: Input[list[Model]], model: Output[Model], metrics: Output[Metrics],
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.train_coherent import train_transfer

    given = {"seed": seed, "network": network, "augment": augment, "local": local, "coarse": coarse}
    folders = {"images": Path(images.path), "shards": Path(shards.path), "locals_": [Path(pod.path) for pod in fleet]}
    measured = train_transfer(**given, transfer=transfer, **folders, out=Path(model.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
