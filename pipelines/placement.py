"""Where and how each task runs. Display names would only warn in a local run, so they are set for a cluster alone."""

from dataclasses import dataclass

from kfp.dsl import PipelineTask


@dataclass(frozen=True)
class Placement:
    """How the tasks of a graph are placed."""

    cluster: bool

    def task(self, task: PipelineTask, name: str | None = None) -> PipelineTask:
        """A step whose result may be taken from KFP's cache, called `name` in the Kubeflow UI."""
        if self.cluster and name is not None:
            task.set_display_name(name)
        return task

    def fresh(self, task: PipelineTask) -> PipelineTask:
        """A step that must run in every run: its effect is outside its outputs."""
        return task.set_caching_options(enable_caching=False)
