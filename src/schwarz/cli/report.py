"""`report`: the page of a finished run, drawn anew."""

from pathlib import Path

import click

from schwarz.cli.grammar import Command, Target


@click.command(cls=Command, examples=("schwarz report tiny/1", "schwarz report tiny/1 -o page.html"))
@click.argument("name", metavar="RUN")
@click.option(
    "-o", "out", type=Target(".html"), metavar="FILE", help="where to write it; unset: report.html of the run"
)
@click.option("--open", "opens", is_flag=True, help="show it in a browser")
def report(name: str, out: Path | None, opens: bool) -> None:
    """Draw the report of a finished RUN anew: one HTML page that needs no network.

    RUN is a run folder, its name under ./runs, or the id of its MLflow run.
    """
    from schwarz.cli.runs import find
    from schwarz.cli.subjects import finished, whole_steps

    run = find(name)
    results = finished(run)
    steps = whole_steps(run, "prepare_data", "split", "evaluate", *(("compose",) if results["verify"] else ()))
    from schwarz.files import write_atomic
    from schwarz.steps.report import drawn

    composed = steps.pop("compose", None)
    html = drawn(results, steps["prepare_data"], steps["split"], steps["evaluate"], composed, in_folder=True)
    path = (out or run.path / "report.html").absolute()
    write_atomic(path, html)
    print(path.as_uri())
    if opens:
        click.launch(path.as_uri())
