"""Make one global network of the trained local ones."""

from kfp.dsl import Input, Model, Output

from components import component


@component
def compose(fleet: Input[list[Model]], composed: Output[Model]):
    from pathlib import Path

    from schwarz.steps.compose import compose

    compose(locals_=[Path(pod.path) for pod in fleet], out=Path(composed.path))
