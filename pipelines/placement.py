"""Where and how each task runs: on which pods, with which resources, secrets and volumes, how often it is tried.

Everything here is fixed when a pipeline is compiled: a pipeline parameter that is used in a resource setter alone
leaves a dangling reference behind (`pipelines.lint`). Display names and resources would only warn in a local run, so
they are set for a cluster alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from kfp import kubernetes
from kfp.dsl import PipelineTask
from kfp.dsl.structures import ContainerSpecImplementation, ResourceSpec

from schwarz.config import Config, Place
from schwarz.config.cluster import Platform, Pods

KINDS = {
    "train-local": "local",
    "train-coarse": "whole",
    "train-coherent": "whole",
    "train-transfer": "whole",
    "train-global": "whole",
    "tune": "whole",
    "evaluate": "whole",
}
"""Component -> the pods of a platform file that it runs on; all others are light."""
IN_LOOP = {"train-local"}
"""Components inside `ParallelFor`, where Argo makes no pod a second time: the step itself tries again."""
WINDOW = f"{30 * 24 * 3600}s"
"""How long Argo may go on trying a step, counted from its first pod, its wait for a node and its work included: KFP's
default of an hour would end longer trainings and leave their tries unused."""
DECIDES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "SCHWARZ_DEVICE")
"""What of `place` the bytes of a result depend on."""
RUN_ID = "metadata.labels['pipeline/runid']"


@dataclass(frozen=True)
class Placement:
    """How the tasks of a graph are placed."""

    cluster: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    """What processes are told of `place` and of the cluster; here `pipelines.execute` tells them."""
    aside: Mapping[str, str] = field(default_factory=dict)
    """What they are told besides, in no plain sight, where it would be part of the key of KFP's cache."""
    platform: Platform | None = None

    @classmethod
    def on_cluster(cls, config: Config, platform: Platform | None = None) -> Self:
        """As `place` and the platform say. The number of threads is told always: a node's cores would decide it, and so
        the last digit of every weight. What changes no result is told aside, where the platform can."""
        place, usual = config.place.environment, Place().environment
        science = {name: place[name] for name in DECIDES}
        aside = {name: value for name, value in place.items() if name not in DECIDES and value != usual.get(name)}
        if platform is None:
            return cls(True, science | aside)
        return cls(True, science | platform.environment(config.preset), aside, platform)

    @property
    def parallelism(self) -> int | None:
        """How many tasks of a loop run at a time; None: all."""
        return self.platform.parallelism if self.platform else None

    def task(self, task: PipelineTask, name: str | None = None) -> PipelineTask:
        """A step whose result may be taken from KFP's cache, called `name` in the Kubeflow UI."""
        if self.cluster:
            _tell(task, self.environment)
            if name is not None:
                task.set_display_name(name)
        if self.platform:
            _place(task, self.platform)
            _tell_aside(task, self.aside)
        return task

    def fresh(self, task: PipelineTask) -> PipelineTask:
        """A step that must run in every run: its effect is outside its outputs."""
        return self.task(task).set_caching_options(enable_caching=False)


def _place(task: PipelineTask, platform: Platform) -> None:
    """Everything that a platform file says of a task's pod."""
    name = task.component_spec.name
    pods: Pods = getattr(platform, KINDS.get(name, "light"))
    _image(task, platform)
    _secrets(task, platform)
    _resources(task, pods)
    _nodes(task, pods)
    _tries(task, pods, name in IN_LOOP)
    for key, value in platform.labels.items():
        kubernetes.add_pod_label(task, key, value)
    kubernetes.use_field_path_as_env(task, "SCHWARZ_RUN_ID", RUN_ID)
    if platform.store.claim:
        kubernetes.mount_pvc(task, platform.store.claim, platform.store.mount)
    if not pods.cache:
        task.set_caching_options(enable_caching=False)


def _container(task: PipelineTask) -> ContainerSpecImplementation:
    """What a task's container is compiled from. It is filled in directly: each of `set_env_variable`, `set_cpu_limit`
    and their like looks through the whole stack and every module, in all a sixth of the time that compiling takes."""
    assert task.container_spec, "every step is a container"
    return task.container_spec


def _tell(task: PipelineTask, environment: Mapping[str, str]) -> None:
    """Add variables to a task's plain environment."""
    _container(task).env = {**(_container(task).env or {}), **environment}


def _image(task: PipelineTask, platform: Platform) -> None:
    image = platform.image
    assert image.name, "a platform that was loaded names its image"
    _container(task).image = image.name
    kubernetes.set_image_pull_policy(task, image.pull)
    if image.pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(image.pull_secrets))
    if image.non_root:
        kubernetes.set_security_context(task, run_as_non_root=True)


def _secrets(task: PipelineTask, platform: Platform) -> None:
    """By the names of secret and key alone: Kubernetes puts the values in when the pod starts."""
    for section in (platform.store, platform.mlflow):
        if section.secret:
            for variable, key in section.keys.items():  # one by one, for two may have the same key
                kubernetes.use_secret_as_env(task, section.secret, {key: variable})


def _resources(task: PipelineTask, pods: Pods) -> None:
    cpu = f"{pods.cpu:g}" if pods.cpu else None
    gpus = {"accelerator_type": pods.gpu, "accelerator_count": str(pods.gpus)} if pods.gpus else {}
    if cpu or pods.memory or gpus:
        asked = {"cpu_request": cpu, "cpu_limit": cpu, "memory_request": pods.memory, "memory_limit": pods.memory}
        _container(task).resources = ResourceSpec(**asked, **gpus)
    if pods.gpus:
        _tell(task, {"SCHWARZ_DEVICE": "cuda"})  # a pod that finds none fails, instead of taking the processor
    if pods.shared_memory:
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", pods.shared_memory)  # noqa: S108
    if pods.timeout_s:
        kubernetes.set_timeout(task, pods.timeout_s)


def _nodes(task: PipelineTask, pods: Pods) -> None:
    for key, value in pods.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in pods.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())


def _tries(task: PipelineTask, pods: Pods, in_loop: bool) -> None:
    """Argo makes the pod anew; in a loop, where it does not, the step begins anew in its pod."""
    if not pods.retries:
        return
    task.set_retry(pods.retries, f"{pods.retry_wait_s}s", 2.0, WINDOW)
    if in_loop:
        told = {"SCHWARZ_RETRIES": pods.retries, "SCHWARZ_RETRY_WAIT_S": pods.retry_wait_s}
        _tell_aside(task, {name: str(value) for name, value in told.items()})


def _tell_aside(task: PipelineTask, environment: Mapping[str, str]) -> None:
    """Add variables by annotations of the pod, which Kubernetes reads them from."""
    for variable, value in environment.items():
        key = f"schwarz/{variable.removeprefix('SCHWARZ_').lower().replace('_', '-')}"
        kubernetes.add_pod_annotation(task, key, value)
        kubernetes.use_field_path_as_env(task, variable, f"metadata.annotations['{key}']")
