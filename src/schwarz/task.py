"""What a network is for: it decides how the outputs of the local networks make the global one (document 3, 2.4)."""

from enum import StrEnum


class Task(StrEnum):
    """The output rule of a network."""

    CLASSIFICATION = "classification"
    """Every local network has all logits; the global logits are their sum (2.16)."""
    REGRESSION = "regression"
    """Every local network has all targets; the global prediction is their mean (2.22)."""
    AUTOENCODER = "autoencoder"
    """Every local network reconstructs its own box; the global reconstruction puts them side by side, pixels of several
    boxes averaged."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"task {value!r} is none of {', '.join(cls)}")
