"""Where a run takes place: nothing of it changes a result's name."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field

from schwarz.config.section import Section


class Place(Section):
    """Where it runs: no part of any digest or cache key."""

    pods: int | None = Field(
        default=None, ge=1, description="pods the local networks are trained on; unset: one per box"
    )
    workers: int = Field(
        default=1, ge=1, description="processes that share the local networks of one pod; each trains its own as fleets"
    )
    threads: int = Field(default=1, ge=1, description="threads of each process")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="what networks are trained on; auto: a CUDA device if there is one"
    )
    checkpoint_minutes: float = Field(
        default=10, gt=0, description="how old a checkpoint gets within an epoch; after each epoch there is one anyway"
    )

    disk_gb: float | None = Field(
        default=None,
        gt=0,
        examples=[20],
        description="how much of a pod's disk images of an object store may take; what goes beyond is read from there "
        "batch by batch; unset: what is free",
    )

    @property
    def environment(self) -> dict[str, str]:
        """As processes are told of it: a step does not get this section, which would be part of its result's key."""
        threads = str(self.threads)
        chosen = {"SCHWARZ_PODS": self.pods, "SCHWARZ_DISK_GB": self.disk_gb}
        return {
            **{name: str(value) for name, value in chosen.items() if value is not None},
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "SCHWARZ_WORKERS": str(self.workers),
            "SCHWARZ_DEVICE": self.device,
            "SCHWARZ_CHECKPOINT_MINUTES": str(self.checkpoint_minutes),
        }

    @classmethod
    def told_by(cls, environment: Mapping[str, str]) -> Self:
        """The section that a process was told of."""
        told = {"SCHWARZ_PODS": "pods", "OMP_NUM_THREADS": "threads", "SCHWARZ_WORKERS": "workers"}
        told |= {"SCHWARZ_DEVICE": "device", "SCHWARZ_CHECKPOINT_MINUTES": "checkpoint_minutes"}
        told |= {"SCHWARZ_DISK_GB": "disk_gb"}
        given = {field: environment[name] for name, field in told.items() if name in environment}
        return cls.model_validate_strings(given)
