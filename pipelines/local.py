"""The KFP graph on this machine: kfp.local runs each task in a process or a container of its own."""

import shutil

from kfp import local

from pipelines.placement import Placement
from pipelines.train import build
from schwarz.runs import RunFolder


def in_processes(run: RunFolder, pods: int) -> None:
    """The whole graph, a process for each task."""
    _run(run, pods, local.SubprocessRunner(use_venv=False))


def in_containers(run: RunFolder, pods: int) -> None:
    """The whole graph, a container for each task."""
    from pipelines import containers

    with containers.ended_with(run):
        _run(run, pods, local.DockerRunner(**containers.arguments(run)))


def _run(run: RunFolder, pods: int, runner: "local.SubprocessRunner | local.DockerRunner") -> None:
    """Every step leaves its result in the run folder, so KFP's own copies can go when all is done."""
    root = run.path / ".kfp"
    shutil.rmtree(root, ignore_errors=True)
    local.init(runner, pipeline_root=str(root), raise_on_error=True)
    build(run.config, pods, run.uid, Placement(cluster=False))()
    shutil.rmtree(root)
