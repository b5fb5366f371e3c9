"""Results and report."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components import component


@component
def report(
    preset: str, seed: int, begun: Input[Artifact], images: Input[Dataset], shards: Input[Dataset],
    evaluation: Input[Artifact], exported: Input[Model], registered: Input[Artifact],
    results: Output[Artifact], page: Output[HTML], metrics: Output[Metrics], composed: Input[Model] | None = None,
):  # fmt: skip
    import shutil
    from pathlib import Path

    from schwarz.steps.frame import folder_of
    from schwarz.steps.report import report

    given = {
        "begun": begun,
        "images": images,
        "shards": shards,
        "evaluation": evaluation,
        "exported": exported,
        "registered": registered,
    }
    folders = {name: Path(artifact.path) for name, artifact in given.items()}
    measured = report(preset=preset, seed=seed, **folders, composed=folder_of(composed), out=Path(results.path))
    shutil.copyfile(Path(results.path) / "report.html", page.path)
    for name, value in measured.items():
        metrics.log_metric(name, value)
