"""`track sync`: send to MLflow what could not be sent while a run went on."""

import click

from schwarz.cli.grammar import Command, Group


@click.group(cls=Group, examples=("schwarz track sync runs/tiny/1", "schwarz track sync tiny/1"))
def track() -> None:
    """Send the metrics of a run to MLflow."""


@track.command(cls=Command, examples=("schwarz track sync runs/tiny/1", "schwarz track sync tiny/1"))
@click.argument("folder", metavar="RUN")
def sync(folder: str) -> None:
    """Send what MLflow does not have yet of RUN.

    Sending twice changes nothing. It goes to MLFLOW_TRACKING_URI, else to where the run was sent.
    """
    from schwarz.cli.runs import find

    run = find(folder)
    from schwarz.tracking import sync

    print(sync(run.path))
