"""What a training goes on from after it was cut off: whole files alone, the newest one that is.

A file is written beside its place and renamed, so that it is there as a whole or not at all; the two newest are kept.
It carries the sha256 of its tensors and what it belongs to: one that a disk has damaged is passed over, one of another
configuration refused.
"""

import hashlib
import json
import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from schwarz.errors import WrongInput
from schwarz.files import write_atomic

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after some epoch, or in the middle of one."""

    epoch: int
    tensors: dict[str, Tensor]
    about: Any
    """Whatever else there is to know, as JSON."""
    step: int = 0
    """After how many steps of the next epoch."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training in a folder."""

    folder: Path
    belongs_to: dict[str, Any]
    """What decides the training, flat: a checkpoint of anything else is refused."""
    minutes: float = math.inf
    """How old the newest one may get within an epoch; after an epoch there is one in any case."""
    written: list[float] = field(default_factory=list, compare=False)
    """When the newest one was, on the monotonic clock."""
    damaged: list[Path] = field(default_factory=list, compare=False)
    """Those that were passed over when the newest whole one was last looked for."""

    @property
    def due(self) -> bool:
        """Whether the newest one has become too old."""
        return bool(self.written) and time.monotonic() - self.written[-1] >= 60 * self.minutes

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep a state; of the older ones, one."""
        tensors = {
            name: value.clone(memory_format=torch.contiguous_format).cpu() for name, value in checkpoint.tensors.items()
        }
        about: dict[str, Any] = {"epoch": checkpoint.epoch, "step": checkpoint.step, "about": checkpoint.about}
        about["belongs_to"] = self.belongs_to
        text = json.dumps(about)
        metadata = {"about": text, "sha256": _digest(text, tensors)}
        write_atomic(self.folder / f"{checkpoint.epoch:06d}-{checkpoint.step:06d}.safetensors", save(tensors, metadata))
        self.written[:] = [time.monotonic()]
        for old in self._files()[KEPT:]:
            old.unlink()

    def of(self, *members: int) -> Self:
        """Those of some members of a fleet."""
        return replace(self, folder=self.folder / "-".join(map(str, members)), written=[], damaged=[])

    def newest(self) -> Checkpoint | None:
        """The newest whole one, if there is one; WrongInput where it belongs to another configuration."""
        self.damaged.clear()
        for path in self._files():
            if (found := self._read(path)) is not None:
                return found
            self.damaged.append(path)
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.safetensors"), reverse=True)

    def _read(self, path: Path) -> Checkpoint | None:
        try:
            with safe_open(path, "pt") as file:
                metadata, names = file.metadata() or {}, file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
        except (SafetensorError, UnicodeDecodeError):
            return None
        if metadata.get("sha256") != _digest(metadata.get("about", ""), tensors):
            return None
        about = json.loads(metadata["about"])
        self._refuse_another(path, about["belongs_to"])
        return Checkpoint(about["epoch"], tensors, about["about"], about["step"])

    def _refuse_another(self, path: Path, found: dict[str, Any]) -> None:
        wanted: dict[str, Any] = json.loads(json.dumps(self.belongs_to))
        differing = [name for name in sorted({*wanted, *found}) if wanted.get(name) != found.get(name)]
        if differing:
            told = ", ".join(f"{name} was {found.get(name)} and is {wanted.get(name)}" for name in differing)
            raise WrongInput(f"{path}: is of another configuration: {told}. `schwarz resume RUN --fresh` starts over.")


def _digest(about: str, tensors: dict[str, Tensor]) -> str:
    found = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].contiguous().flatten().view(-1).numpy().tobytes())
    return found.hexdigest()
