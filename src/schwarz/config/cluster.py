"""A cluster as its platform file describes it: on what pods the steps of a compiled pipeline run, and where they find
the store and the servers.

The numbers of a run are parameters of the compiled pipeline; all of this is fixed when it is compiled.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from schwarz.config.section import Section

UNITS = {"M": 10**6, "G": 10**9, "T": 10**12, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def _named(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", name):
        raise ValueError(f"{name!r} is no name that Kubernetes takes: small letters, digits, '-' and '.' inside")
    return name


def bytes_of(quantity: str) -> int:
    """The bytes of '512Mi', '16G'; ValueError without a unit: Kubernetes would take a bare number for bytes."""
    match = re.fullmatch(rf"([1-9]\d*)({'|'.join(UNITS)})", quantity)
    if not match:
        wanted = f"a whole number and one of {', '.join(UNITS)}, as in '16Gi'"
        raise ValueError(f"{quantity!r} is no amount of memory: {wanted}")
    return int(match[1]) * UNITS[match[2]]


def _amount(quantity: str) -> str:
    bytes_of(quantity)
    return quantity


def tagged(image: str) -> str:
    """An image whose name says which one it is; ValueError for one without a tag, or with one that moves."""
    name, at, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if "/" in tag or not colon:  # the colon of a port, or none
        repository, tag = name, ""
    if not re.fullmatch(r"[A-Za-z0-9][\w.:/-]*", repository) or (at and not digest.startswith("sha256:")):
        raise ValueError(f"{image!r} is no image: REGISTRY/NAME:TAG is wanted")
    if tag in ("", "latest") and not digest:
        lack = "has no tag" if not tag else "has the tag 'latest', which moves"
        raise ValueError(
            f"{image!r} {lack}, and Kubeflow's cache goes by the name alone: name the build, as `make images` does "
            f"({repository}:<commit>)"
        )
    return image


def _folder(path: str) -> str:
    if not re.fullmatch(r"/[^\s:]*", path):
        raise ValueError(f"{path!r} is no absolute folder")
    return path


def _labels(labels: dict[str, str]) -> dict[str, str]:
    part = r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
    for key, value in labels.items():
        if not re.fullmatch(rf"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{part}", key):
            raise ValueError(f"{key!r} is no key that Kubernetes takes, such as 'team' or 'example.org/team'")
        if not re.fullmatch(rf"({part})?", value):
            raise ValueError(f"{key!r} = {value!r}: at most 63 letters, digits, '-', '_' and '.' are wanted")
    return labels


def _variables(keys: dict[str, str]) -> dict[str, str]:
    for variable, key in keys.items():
        if not re.fullmatch(r"(AWS|MLFLOW)_[A-Z0-9_]+", variable):
            raise ValueError(f"{variable!r} is no variable of a client: AWS_... or MLFLOW_... are")
        if not re.fullmatch(r"[-\w.]+", key):
            raise ValueError(f"{variable} = {key!r} is no key of a secret: it names one, it is not the value itself")
    return keys


Name = Annotated[str, AfterValidator(_named)]
Folder = Annotated[str, AfterValidator(_folder)]
Memory = Annotated[str, AfterValidator(_amount)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]
Keys = Annotated[dict[str, str], AfterValidator(_variables)]
"""Environment variable -> the key in a secret that holds its value."""


class Image(Section):
    """The image that every step runs in."""

    name: Annotated[str, AfterValidator(tagged)] | None = Field(
        default=None,
        examples=["registry.example.org/schwarz/python-train:0.1.0"],
        description="with a tag or digest of its own; unset: $SCHWARZ_IMAGE",
    )
    cuda: bool = Field(default=False, description="whether it holds the CUDA build of torch: only that can use a GPU")
    pull: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="when a node fetches it; Never: it was loaded into the nodes"
    )
    pull_secrets: tuple[Name, ...] = Field(default=(), description="secrets of its registry")
    non_root: bool = Field(
        default=True, description="pods refuse to start as root; wanted by pod security `restricted`"
    )


class Store(Section):
    """Where all pods find what they share."""

    uri: str = Field(..., description="above boxes, spool and models: s3://bucket/prefix, or a folder of the claim")
    checkpoints: str | None = Field(
        default=None,
        examples=["s3://schwarz/checkpoints"],
        description="what a training goes on from when its pod was lost; unset: `checkpoints` below uri",
    )
    remote: str = Field(..., description="the DVC remote that holds the data set: s3://bucket/prefix, or such a folder")
    secret: Name | None = Field(
        default=None,
        examples=["schwarz-object-store"],
        description="its address and keys: the name of a secret",
    )
    keys: Keys = Field(
        default={name: name for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
        description="what pods are told of that secret: variables, each with its key there",
    )
    claim: Name | None = Field(
        default=None, examples=["schwarz"], description="persistent volume claim that many pods may write"
    )
    mount: Folder = Field(default="/mnt/schwarz", description="where pods see the claim")

    @property
    def kept(self) -> str:
        """Where checkpoints are kept."""
        return self.checkpoints or f"{self.uri.rstrip('/')}/checkpoints"

    @field_validator("uri", "checkpoints", "remote")
    @classmethod
    def _address(cls, uri: str | None) -> str | None:
        if uri is not None and "@" in uri:
            raise ValueError("an address that holds a user: the keys of a store belong in the secret")
        if uri is not None and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\S*)?|/[^\s]*", uri):
            raise ValueError(f"{uri!r} is neither s3://bucket/prefix nor an absolute folder")
        return uri

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        for name in ("uri", "checkpoints", "remote"):
            uri = getattr(self, name)
            if uri is None:
                continue
            if uri.startswith("s3://") and self.secret is None:
                raise ValueError(f"{name} = {uri!r}: secret is unset: name the one with the keys of the object store")
            inside = uri == self.mount or uri.startswith(f"{self.mount.rstrip('/')}/")
            if uri.startswith("/") and not (self.claim and inside):
                raise ValueError(
                    f"{name} = {uri!r}: pods share no folder unless it lies in a volume: set claim, and mount to a "
                    "folder above it; or give s3://bucket/prefix"
                )
        return self


class Tracking(Section):
    """The MLflow server."""

    uri: str | None = Field(
        default=None,
        examples=["http://mlflow.schwarz:5000"],
        description="address as pods see it; unset: what Kubeflow's MLflow plugin says, or a key of the secret",
    )
    secret: Name | None = Field(
        default=None, examples=["schwarz-mlflow"], description="secret with the name and password of a user"
    )
    keys: Keys = Field(
        default={name: name for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")},
        description="what pods are told of that secret: variables, each with its key there",
    )

    @field_validator("uri")
    @classmethod
    def _address(cls, uri: str | None) -> str | None:
        if uri is not None and not re.fullmatch(r"https?://[^@\s/]+(/\S*)?", uri):
            raise ValueError("no http(s)://host:port without a user in it: name and password belong in the secret")
        return uri


class Toleration(Section):
    """A taint of nodes that pods accept."""

    key: str | None = Field(default=None, description="the taint; unset: every one")
    operator: Literal["Equal", "Exists"] = Field(default="Equal", description="whether its value counts")
    value: str | None = Field(default=None, description="its value")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="its effect; unset: every one"
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f"operator 'Exists' takes no value, here {self.value!r}: leave out one of the two")
        if self.operator == "Equal" and (self.key is None or self.value is None):
            raise ValueError("operator 'Equal' needs key and value: give both, or operator = 'Exists'")
        return self


class Pods(Section):
    """The pods of one kind of step."""

    cpu: float | None = Field(
        default=None, ge=0.001, examples=[4], description="cores, asked for and at most; unset: as the namespace says"
    )
    memory: Memory | None = Field(
        default=None, examples=["16Gi"], description="asked for and at most; unset: as the namespace says"
    )
    gpus: int = Field(default=0, ge=0, description="GPUs of each pod; a training uses one of them")
    gpu: str = Field(default="nvidia.com/gpu", description="what the cluster calls them")
    node_selector: Labels = Field(default={}, description="labels that its node must have")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="taints of nodes that are accepted")
    shared_memory: Memory | None = Field(
        default=None, examples=["2Gi"], description="size of /dev/shm, part of the memory; unset: the runtime's 64 MB"
    )
    timeout_s: int | None = Field(
        default=None, ge=1, examples=[86400], description="a pod that runs longer is ended, its further tries too"
    )
    retries: int = Field(default=2, ge=0, description="further tries of a step that failed, from its last checkpoint")
    retry_wait_s: int = Field(default=30, ge=0, description="seconds before the first of them; twice as long each time")
    cache: bool = Field(default=True, description="whether Kubeflow may take results of an earlier run")

    @model_validator(mode="after")
    def _memory_holds_what_is_shared(self) -> Self:
        if self.memory and self.shared_memory and bytes_of(self.shared_memory) > bytes_of(self.memory):
            raise ValueError(
                f"shared_memory = {self.shared_memory!r} is part of memory = {self.memory!r}: raise that one"
            )
        return self


class Platform(Section):
    """One cluster."""

    namespace: Name | None = Field(
        default=None,
        examples=["my-profile"],
        description="profile that runs belong to; unset: a Kubeflow of one user",
    )
    service_account: Name | None = Field(
        default=None,
        examples=["schwarz"],
        description="of the pods, told by `schwarz submit`: a compiled pipeline cannot say it; unset: Kubeflow's own",
    )
    labels: Labels = Field(default={}, description="labels of every pod")
    parallelism: int | None = Field(
        default=None, ge=1, examples=[4], description="pods with local networks at a time; unset: all at once"
    )
    image: Image = Field(default=Image(), description="the image that every step runs in")
    store: Store = Field(..., description="where all pods find what they share")
    mlflow: Tracking = Field(default=Tracking(), description="the MLflow server")
    local: Pods = Field(default=Pods(), description="pods that train local networks")
    whole: Pods = Field(
        default=Pods(), description="pods of the coarse net, of evaluation, of networks on whole images"
    )
    light: Pods = Field(default=Pods(), description="pods of all other steps")

    @model_validator(mode="after")
    def _gpus_can_be_used(self) -> Self:
        for kind in ("local", "whole", "light"):
            gpus = getattr(self, kind).gpus
            if gpus and not self.image.cuda:
                raise ValueError(
                    f"{kind}.gpus = {gpus}, but image.cuda = false: torch for CPUs would leave a GPU idle. Name "
                    "an image with the CUDA build in image.name and set image.cuda = true, or ask for no GPU"
                )
        return self

    def environment(self, preset: str) -> dict[str, str]:
        """What every step is told, but for what is secret."""
        told = {
            "SCHWARZ_STORE": self.store.uri,
            "SCHWARZ_CHECKPOINTS": self.store.kept,
            "SCHWARZ_REMOTE": self.store.remote,
            "SCHWARZ_PRESET": preset,
        }
        return told | ({"MLFLOW_TRACKING_URI": self.mlflow.uri} if self.mlflow.uri else {})
