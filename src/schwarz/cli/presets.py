"""`presets`, `show` and `compile`: a run before it is run."""

import json
from pathlib import Path

import click

from schwarz.cli.columns import columns
from schwarz.cli.grammar import Command, Target, writing
from schwarz.cli.options import ConfiguredCommand, Words, chosen, configured


@click.command(cls=Command, examples=("schwarz presets", "schwarz presets --json"))
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def presets(as_json: bool) -> None:
    """List the presets: complete runs by name."""
    from schwarz.presets import PRESETS

    summaries = {name: (make.__doc__ or "").splitlines()[0] for name, make in PRESETS.items()}
    if as_json:
        print(json.dumps([{"name": name, "summary": text} for name, text in summaries.items()], indent=1))
    else:
        print(*columns(summaries.items(), left=2), sep="\n")


@click.command(
    cls=ConfiguredCommand,
    examples=("schwarz show quickstart > mine.toml", "schwarz show tiny --partition.grid 2 1 --local.epochs 3"),
)
@configured
@click.option("--json", "as_json", is_flag=True, help="print the values alone, as JSON")
def show(preset: str | None, file: Path | None, changes: Words, as_json: bool) -> None:
    """Print a whole config, every field with its meaning.

    The output is a file that `--config FILE` reads back.
    """
    from schwarz.document import document

    config = chosen(preset, file, changes)
    if as_json:
        print(json.dumps(config.model_dump(mode="json", by_alias=True), indent=1))
    else:
        print(document(config), end="")


@click.command(
    cls=ConfiguredCommand,
    examples=("schwarz compile quickstart", "schwarz compile tiny -o tiny.yaml --place.pods 2"),
)
@configured
@click.option(
    "-o", "--output", type=Target(), default="train.yaml", show_default=True, metavar="FILE", help="YAML file to write"
)
def compile_(preset: str | None, file: Path | None, changes: Words, output: Path) -> None:
    """Write the pipeline as YAML for a Kubeflow cluster.

    It is what `kfp run create -f` takes, and what the Kubeflow UI takes as an upload.
    """
    from schwarz.cli.run import check
    from schwarz.runs import project_root

    config, *_ = check(chosen(preset, file, changes), project_root())
    from pipelines.train import compile_pipeline

    with writing(output):
        compile_pipeline(config, output)
    print(f"{output.absolute()}: the pipeline of {config.preset}. To run it on a cluster:")
    print(f"  kfp run create -e {config.preset} -f {output}")


compile_.name = "compile"
