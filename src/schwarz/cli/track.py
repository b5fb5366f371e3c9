"""`track sync`: send to MLflow what could not be sent while a run went on."""

from pathlib import Path

import click

from schwarz.cli.grammar import Command, Group

SPOOLED = "schwarz track sync s3://schwarz/store/spool/1f0c3c1e"


@click.group(cls=Group, examples=("schwarz track sync runs/tiny/1", SPOOLED))
def track() -> None:
    """Send the metrics of a run to MLflow."""


@track.command(cls=Command, examples=("schwarz track sync runs/tiny/1", SPOOLED))
@click.argument("folder", metavar="RUN")
def sync(folder: str) -> None:
    """Send what MLflow does not have yet of RUN.

    RUN is a run's folder, or what the pods of a run left in their store: STORE/spool/ID. Sending twice changes nothing.
    It goes to MLFLOW_TRACKING_URI, else to where the run was sent. Wait until the run has ended: its runs in MLflow are
    ended too.
    """
    if folder.startswith("s3://") or _spool(Path(folder)):
        from schwarz.storage import open_store
        from schwarz.tracking import sync_spool

        print(sync_spool(open_store(folder)))
        return
    from schwarz.cli.runs import find

    run = find(folder)
    from schwarz.tracking import sync

    print(sync(run.path))


def _spool(folder: Path) -> bool:
    """Whether pods left their journals in this folder."""
    return folder.parent.name == "spool" and (folder / "logs" / "journal").is_dir()
