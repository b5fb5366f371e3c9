"""Enter the model in the registry."""

from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components import component


@component
def register(
    preset: str, register: str, begun: Input[Artifact], images: Input[Dataset], evaluation: Input[Artifact],
    exported: Input[Model], registered: Output[Artifact],
):  # fmt: skip
    from pathlib import Path

    from schwarz.steps.register import register as enter

    given = {"begun": begun, "images": images, "evaluation": evaluation, "exported": exported}
    folders = {name: Path(artifact.path) for name, artifact in given.items()}
    enter(preset=preset, register_=register, **folders, out=Path(registered.path))
