"""`platform`, `compile` and `submit`: a run on a Kubeflow cluster."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schwarz.cli.grammar import Command, Existing, Target, writing
from schwarz.cli.options import ConfiguredCommand, Words, chosen, configured
from schwarz.errors import WrongInput
from schwarz.shell import kfp

if TYPE_CHECKING:
    from schwarz.config import Config
    from schwarz.config.cluster import Platform

FILE = {"type": Existing(), "metavar": "FILE", "help": "the cluster: a TOML file as `schwarz platform` prints it"}


@click.command(cls=Command, examples=("schwarz platform", "schwarz platform > cluster.toml"))
def platform() -> None:
    """Print the description of a cluster, every field with its meaning, to be changed.

    It is a file that `compile --platform FILE` and `submit --platform FILE` read.
    """
    from schwarz.document import document
    from schwarz.platform_file import EXAMPLE

    print(document(EXAMPLE), end="")


@click.command(
    cls=ConfiguredCommand,
    examples=(
        "schwarz compile quickstart",
        "schwarz compile tiny -o tiny.yaml --place.pods 2",
        "schwarz compile tiny --platform cluster.toml -o tiny.yaml",
    ),
)
@configured
@click.option("--platform", "cluster", **FILE)
@click.option(
    "-o",
    "--output",
    type=Target(".yaml", ".yml"),
    default="train.yaml",
    show_default=True,
    metavar="FILE",
    help="YAML file to write",
)
def compile_(preset: str | None, file: Path | None, changes: Words, cluster: Path | None, output: Path) -> None:
    """Write the pipeline as YAML for a Kubeflow cluster.

    It is what `kfp run create -f` takes, and what the Kubeflow UI takes as an upload. Without --platform its pods get
    no resources, no secrets and no store.
    """
    config, described = _checked(preset, file, changes, cluster)
    if not described:
        from pipelines.images import for_cluster

        os.environ["SCHWARZ_IMAGE"] = for_cluster()  # what the components are made with
    with writing(output):
        _compile(config, output, described)
    image = described.image.name if described else os.environ["SCHWARZ_IMAGE"]
    print(f"{output.absolute()}: the pipeline of {config.preset}, in {image}.")
    if not described:
        print("Its pods share no store: `schwarz platform > cluster.toml` describes a cluster, for --platform.")
    print("To run it on a cluster:")
    space = ("--namespace", described.namespace) if described and described.namespace else ()
    print(f"  {kfp(*space, 'run', 'create', '-e', config.preset, '-f', output)}")


compile_.name = "compile"


@click.command(
    cls=ConfiguredCommand,
    examples=(
        "schwarz submit quickstart --platform cluster.toml --host http://localhost:8888",
        "schwarz submit tiny --platform cluster.toml --name first --seed 1",
    ),
)
@configured
@click.option("--platform", "cluster", **FILE)
@click.option("--host", envvar="KFP_ENDPOINT", metavar="URL", help="Kubeflow Pipelines' API; unset: $KFP_ENDPOINT")
@click.option("--experiment", metavar="NAME", help="an experiment that exists; unset: PRESET, made where there is none")
@click.option("--name", metavar="NAME", help="of the run; unset: PRESET and the version of the pipeline")
@click.option("--namespace", metavar="NS", help="of your profile; unset: as the platform file says")
def submit(
    preset: str | None, file: Path | None, changes: Words, cluster: Path | None, host: str | None,
    experiment: str | None, name: str | None, namespace: str | None,
) -> None:  # fmt: skip
    """Compile, upload and run the pipeline on a Kubeflow cluster.

    The last lines are the run's id and its address in the Kubeflow UI. A token is taken from $KFP_EXISTING_TOKEN.
    """
    if cluster is None:
        raise WrongInput("--platform FILE is missing: `schwarz platform > cluster.toml` writes one to be changed.")
    if host is None:
        raise WrongInput("--host URL is missing: the address of Kubeflow Pipelines' API, or set KFP_ENDPOINT to it.")
    config, described = _checked(preset, file, changes, cluster)
    assert described, "a file was given"
    import tempfile

    from pipelines.client import Kubeflow, Submission

    kubeflow = Kubeflow(host, namespace or described.namespace)
    kubeflow.reach()
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / f"{config.preset}.yaml"
        _compile(config, package, described)
        sent = Submission(
            package, f"schwarz-{config.preset}", name, experiment, config.preset, described.service_account
        )
        done = kubeflow.submit(sent)
    print(f"pipeline    schwarz-{config.preset}, version {done.version}, in {described.image.name}")
    print(f"experiment  {done.experiment}")
    print(f"run         {done.run}")
    print(f"address     {done.url}")


def _checked(
    preset: str | None, file: Path | None, changes: Words, cluster: Path | None
) -> "tuple[Config, Platform | None]":
    """What is to be run, and where; refused here if it cannot work."""
    from schwarz import platform_file
    from schwarz.cli.run import check
    from schwarz.runs import project_root

    described = platform_file.load(cluster) if cluster else None
    config, *_ = check(chosen(preset, file, changes), project_root())
    if cluster and described:
        platform_file.check(described, config, cluster)
    return config, described


def _compile(config: "Config", output: Path, described: "Platform | None") -> None:
    from pipelines.train import compile_pipeline

    compile_pipeline(config, output, described)
