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

    @property
    def averages(self) -> bool:
        """Whether an output is the mean over the local networks that have it (2.22), and not their sum (2.14)."""
        return self is not Task.CLASSIFICATION

    @property
    def divides(self) -> bool:
        """Whether a local network has the outputs of its own box alone, and not all of them."""
        return self is Task.AUTOENCODER

    @property
    def claim(self) -> str:
        """What an exact composition keeps of the outputs, in words."""
        return {
            Task.CLASSIFICATION: "(2.16) logits, and the sum of the local ones",
            Task.REGRESSION: "(2.22), (2.23) prediction, and the mean of the local ones",
            Task.AUTOENCODER: "reconstruction, and the local ones side by side",
        }[self]

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"task {value!r} is none of {', '.join(cls)}")
