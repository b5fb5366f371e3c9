"""Tell MLflow how the run ended."""

from kfp.dsl import Artifact, Output

from components import component


@component
def finish(finished: Output[Artifact]):
    from pathlib import Path

    from schwarz.steps.finish import finish

    finish(out=Path(finished.path))
