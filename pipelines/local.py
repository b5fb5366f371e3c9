"""The KFP graph on this machine: kfp.local runs each task in a process of its own."""

import shutil

from kfp import local

from pipelines.placement import Placement
from pipelines.train import build
from schwarz.runs import RunFolder


def run(run: RunFolder, pods: int) -> None:
    """The whole graph. Every step leaves its result in the run folder, so KFP's own copies can go when all is done."""
    root = run.path / ".kfp"
    shutil.rmtree(root, ignore_errors=True)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True)
    build(run.config, pods, run.uid, Placement(cluster=False))()
    shutil.rmtree(root)
