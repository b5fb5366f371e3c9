"""Fetch and check the data set, lay its images out."""

from kfp.dsl import Dataset, Metrics, Output

from components import component


@component
def prepare_data(seed: int, data: str, images: Output[Dataset], metrics: Output[Metrics]):
    from pathlib import Path

    from schwarz.steps.prepare_data import prepare_data

    measured = prepare_data(seed=seed, data=data, out=Path(images.path))
    for name, value in measured.items():
        metrics.log_metric(name, value)
