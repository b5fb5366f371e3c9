"""Where a run takes place: nothing of it changes a result's name."""

from typing import Literal

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

    @property
    def environment(self) -> dict[str, str]:
        """As processes are told of it: a step does not get this section, which would be part of its result's key."""
        threads = str(self.threads)
        return {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "SCHWARZ_WORKERS": str(self.workers),
            "SCHWARZ_DEVICE": self.device,
            "SCHWARZ_CHECKPOINT_MINUTES": str(self.checkpoint_minutes),
        }
