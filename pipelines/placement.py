"""Where and how each task runs. Display names would only warn in a local run, so they are set for a cluster alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from kfp.dsl import PipelineTask

from schwarz.config import Place


@dataclass(frozen=True)
class Placement:
    """How the tasks of a graph are placed."""

    cluster: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    """What processes are told of `place` where it is not as usual; here `pipelines.execute` tells them."""

    @classmethod
    def on_cluster(cls, place: Place) -> Self:
        """As `place` says; what is as usual is left out, for KFP's cache goes by a task's environment too."""
        usual = Place().environment
        return cls(True, {name: value for name, value in place.environment.items() if value != usual[name]})

    def task(self, task: PipelineTask, name: str | None = None) -> PipelineTask:
        """A step whose result may be taken from KFP's cache, called `name` in the Kubeflow UI."""
        if self.cluster:
            for variable, value in self.environment.items():
                task.set_env_variable(variable, value)
            if name is not None:
                task.set_display_name(name)
        return task

    def fresh(self, task: PipelineTask) -> PipelineTask:
        """A step that must run in every run: its effect is outside its outputs."""
        return task.set_caching_options(enable_caching=False)
